"""What the scripts of this folder share: steps that are printed, and a `trigrun-api` of their own."""

from __future__ import annotations

import json
import os
import pathlib
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

BINARIES = pathlib.Path(sys.argv[1]).resolve()
TIMEOUT = 60.0
steps = 0


def step(text: str) -> None:
    global steps
    steps += 1
    print(f"ok  {text}", flush=True)


def expect(condition: object, message: object) -> None:
    if not condition:
        print(f"FAILED after {steps} steps: {message}")
        raise SystemExit(1)


def done() -> None:
    print(f"{steps} steps are as documented")


def until(what: str, condition: Callable[[], Any]) -> Any:
    """What the condition returns once it holds; this waits for another process."""
    end = time.monotonic() + TIMEOUT
    while time.monotonic() < end:
        if held := condition():
            return held
        time.sleep(0.02)
    expect(False, f"{what}: not within {TIMEOUT:.0f} s")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Api:
    def __init__(self, address: str) -> None:
        self.address = address

    def call(self, method: str, path: str, body: Any = None, token: str | None = None) -> tuple[int, Any]:
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://{self.address}{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
                text = response.read()
                return response.status, json.loads(text) if text else None
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def expect(self, status: int, method: str, path: str, body: Any = None, token: str | None = None) -> Any:
        got, answer = self.call(method, path, body, token)
        expect(got == status, f"{method} {path}: {got} {answer}, expected {status}")
        return answer

    def refused(self, code: str, *request: Any) -> None:
        """A request with one wrong field."""
        answer = self.expect(422, *request)
        expect([error["code"] for error in answer["errors"]] == [code], answer)

    def verify(self, address: str, purpose: str) -> Any:
        return self.expect(202, "POST", "/v1/auth/verifications", {"email": address, "purpose": purpose})


def command(environment: dict[str, str], *arguments: str, fails: bool = False) -> str:
    """Runs a command of `trigrun-api`, and returns what it prints."""
    ran = subprocess.run([BINARIES / "trigrun-api", *arguments], env=environment, capture_output=True, text=True, timeout=TIMEOUT)
    expect((ran.returncode != 0) == fails, f"trigrun-api {' '.join(arguments)}: {ran.returncode} {ran.stdout}{ran.stderr}")
    return ran.stdout + ran.stderr


def prepared(settings: dict[str, str]) -> dict[str, str]:
    """The environment of a process, whose database has its schema."""
    environment = {
        "PATH": os.environ["PATH"],
        "TRIGRUN__POSTGRES__URL": os.environ["TRIGRUN_TEST_POSTGRES"],
        "TRIGRUN__REDIS__URL": os.environ["TRIGRUN_TEST_REDIS"],
        "TRIGRUN__TELEMETRY__PROBES_ADDRESS": "127.0.0.1:0",
        "TRIGRUN__TELEMETRY__LOG_FILTER": "error",
    } | settings
    environment["TRIGRUN__KEYS__MASTER"] = json.dumps([command(environment, "keys", "generate").strip()])
    command(environment, "migrate")
    return environment


@contextmanager
def running(settings: dict[str, str]) -> Iterator[Api]:
    port = free_port()
    api = Api(f"127.0.0.1:{port}")
    process = subprocess.Popen([BINARIES / "trigrun-api"], env=settings | {"TRIGRUN__SERVER__ADDRESS": api.address})
    try:
        def is_ready() -> bool:
            expect(process.poll() is None, "the API ended")
            try:
                return api.call("GET", "/readyz")[0] == 200
            except (OSError, json.JSONDecodeError):
                return process.poll() is None and can_connect(port)
        until("the API is ready", is_ready)
        yield api
    finally:
        process.terminate()
        process.wait(TIMEOUT)


def ready(probes: str) -> bool:
    """Whether the process with probes at this address can work."""
    try:
        with urllib.request.urlopen(f"http://{probes}/readyz", timeout=TIMEOUT) as response:
            return response.status == 200
    except OSError:
        return False


def can_connect(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
