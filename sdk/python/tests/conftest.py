"""The system of the tests: the one at TRIGRUN_URL."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from trigrun import TrigRun

API = os.environ["TRIGRUN_URL"]
TAG = f"python-{os.getpid()}"
Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Server:
    """A target of jobs, or a proxy in front of the API."""

    url: str
    seen: list[str] = field(default_factory=list)
    """`POST /v1/jobs`, one for each request that arrived."""
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    """Their headers and bodies."""


Listener = Callable[[int, httpx.Request], Answer | None]


@pytest.fixture
def serve() -> Iterator[Callable[[Listener], Server]]:
    """Starts servers. A listener that returns None closes the connection without a response."""
    running: list[ThreadingHTTPServer] = []

    def start(listener: Listener) -> Server:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                count = len(server.seen)
                server.received.append((dict(self.headers.items()), body))
                server.seen.append(f"{self.command} {self.path}")
                headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
                answer = listener(count, httpx.Request(self.command, f"{API}{self.path}", headers=headers, content=body))
                if answer is None:
                    self.close_connection = True
                    return
                status, sent, content = answer
                self.send_response(status)
                for name, value in {**sent, "Content-Length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

            def log_message(self, *_: object) -> None:
                pass

        http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        running.append(http)
        server = Server(f"http://127.0.0.1:{http.server_port}")
        threading.Thread(target=http.serve_forever, daemon=True).start()
        return server

    yield start
    for http in running:
        http.shutdown()
        http.server_close()


def forward(request: httpx.Request) -> Answer:
    """What the API answers to the request."""
    with httpx.Client() as http:
        response = http.send(request)
    kept = {name: value for name, value in response.headers.items() if name not in ("content-length", "transfer-encoding", "connection")}
    return response.status_code, kept, response.content


@pytest.fixture(scope="session")
def client() -> Iterator[TrigRun]:
    with TrigRun() as client:
        yield client
