"""An operator's day against the real processes: find, suspend, assign a plan, hold, restore a backup that is still held, release.

Usage, with the variables of `trigrun-embed exec`: operators.py DIRECTORY. The directory holds the binaries. Prints each step, and stops at the
first that is not as docs/operators.md says.
"""

from __future__ import annotations

import http.server
import os
import pathlib
import subprocess
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from steps import BINARIES, TIMEOUT, Api, command, done, expect, free_port, prepared, ready, running, step, until

PASSWORD = "correct horse battery"


class Target:
    """Counts requests by their paths."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        requests = self.requests

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                requests.append(self.path)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server.server_port}{path}"

    def count(self, path: str) -> int:
        return self.requests.count(path)


class Operator:
    def __init__(self, address: str, token: str) -> None:
        self.api, self.token = Api(address), token

    def get(self, path: str) -> Any:
        return self.api.expect(200, "GET", f"/operator/v1{path}", None, self.token)

    def change(self, method: str, path: str, body: Any, status: int = 200) -> Any:
        return self.api.expect(status, method, f"/operator/v1{path}", body, self.token)

    def log(self, target: str) -> list[tuple[str, str, str]]:
        entries = self.get(f"/audit-log?target={target}")["data"]
        return [(entry["operator"], entry["action"], entry["reason"]) for entry in entries]


@contextmanager
def processes(environment: dict[str, str]) -> Iterator[Api]:
    """An API, a scheduler and an executor."""
    with ExitStack() as stack:
        for name in ("scheduler", "executor"):
            of_others = ("TRIGRUN__SERVER__", "TRIGRUN__OPERATOR__", "TRIGRUN__PLANS__")
            of_executors = ("TRIGRUN__KEYS__", "TRIGRUN__EGRESS__")
            left_out = of_others if name == "executor" else of_others + of_executors
            settings = {key: value for key, value in environment.items() if not key.startswith(left_out)}
            settings["TRIGRUN__TELEMETRY__PROBES_ADDRESS"] = probes = f"127.0.0.1:{free_port()}"
            process = subprocess.Popen([BINARIES / f"trigrun-{name}"], env=settings)
            stack.callback(process.wait, TIMEOUT)
            stack.callback(process.terminate)
            until(f"the {name} is ready", lambda probes=probes: ready(probes))
        yield stack.enter_context(running(environment))


def find(operator: Operator, user: str) -> str:
    (user,) = operator.get("/users?email=mallory@example.com")["data"]
    details = operator.get(f"/users/{user['id']}")
    (workspace,) = details["workspaces"]
    expect(workspace["name"] == "mass mailing" and len(details["sessions"]) == 1, details)
    (found,) = operator.get("/workspaces?name=MASS")["data"]
    expect(found["id"] == workspace["id"] and found["created_by"] == user["id"], found)
    details = operator.get(f"/workspaces/{found['id']}")
    expect(details["usage"]["jobs"]["used"] == 1 and details["members"][0]["role"] == "owner", details)
    step(f"the workspace {found['name']} is found by the address of its owner and by its name")
    return found["id"]


def suspend(operator: Operator, api: Api, target: Target, workspace: str, job: str, session: str) -> None:
    api.expect(202, "POST", f"/v1/jobs/{job}/run-now", {}, session)
    until("the job has run", lambda: target.count("/theirs") > 0)
    operator.change("POST", f"/workspaces/{workspace}/suspend", {"reason": "complaint 1042"})
    refused = api.expect(403, "POST", f"/v1/jobs/{job}/run-now", {}, session)
    expect(refused["code"] == "workspace_suspended" and "complaint 1042" in refused["detail"], refused)
    shown = api.expect(200, "GET", "/v1/workspace", None, session)
    expect(shown["suspended"]["reason"] == "complaint 1042", shown)
    step("it is suspended: its members see the reason, and run nothing")
    operator.change("POST", f"/workspaces/{workspace}/resume", {"reason": "a mistake"})
    before = target.count("/theirs")
    api.expect(202, "POST", f"/v1/jobs/{job}/run-now", {}, session)
    until("the job runs again", lambda: target.count("/theirs") > before)
    step("it is resumed, and its jobs run")


def raise_limit(operator: Operator, api: Api, workspace: str, session: str) -> None:
    job = {"name": "second", "kind": "cron", "schedule": {"cron": "@daily"}, "request": {"url": "https://example.com/"}}
    expect(api.expect(403, "POST", "/v1/jobs", job, session)["code"] == "quota_exceeded", "the default plan allows one job")
    plans = {plan["name"]: plan["jobs"] for plan in operator.get("/plans")["data"]}
    expect(plans == {"default": 1, "pro": 100}, plans)
    operator.change("PUT", f"/workspaces/{workspace}/plan", {"plan": "pro", "reason": "invoice 1042"})
    api.expect(201, "POST", "/v1/jobs", job, session)
    step("its plan is raised, at once")


def client(name: str, *arguments: str) -> str:
    """Runs a client program of Postgres."""
    program = pathlib.Path(os.environ["TRIGRUN_TEST_CLIENTS"], name)
    return subprocess.run([program, *arguments], check=True, stdout=subprocess.PIPE, text=True, timeout=TIMEOUT).stdout.strip()


def sql(environment: dict[str, str], text: str) -> str:
    return client("psql", "--quiet", "--tuples-only", "--no-align", f"--command={text}", environment["TRIGRUN__POSTGRES__URL"])


def restored(environment: dict[str, str], file: pathlib.Path) -> dict[str, str]:
    """Restores a backup as another installation, as docs/operations.md says."""
    sql(environment, "create database restored")
    url = urllib.parse.urlsplit(environment["TRIGRUN__POSTGRES__URL"])._replace(path="/restored").geturl()
    client("pg_restore", "--no-owner", f"--dbname={url}", str(file))
    copy = environment | {"TRIGRUN__POSTGRES__URL": url}
    sql(copy, "update installation set id = gen_random_uuid()")
    return copy


def hold(operator: Operator, environment: dict[str, str], target: Target) -> None:
    until("the job fires each second", lambda: target.count("/ours") > 2)
    held = operator.change("PUT", "/hold", {"reason": "wrong requests"})
    expect(held["hold"]["reason"] == "wrong requests", held)
    expect(operator.change("PUT", "/hold", {"reason": "another"}) == held, "the first reason stays")
    until("what was in flight has ended", lambda: sql(environment, "select count(*) from runs where status = 'running'") == "0")
    sends_nothing(target)
    step("the installation is held: nothing is sent for three seconds")


def sends_nothing(target: Target) -> None:
    before = len(target.requests)
    time.sleep(3)
    expect(len(target.requests) == before, "something is sent during the hold")


def release(operator: Operator, target: Target, missed: str) -> None:
    before = target.count("/ours")
    released = operator.change("POST", "/hold/release", {"missed": missed, "reason": "checked"})
    expect(released["released"] and (missed == "skip") == (released["skipped_timers"] > 0), released)
    until("the job fires again", lambda: target.count("/ours") > before)
    expect(operator.get("/hold") == {"hold": None}, "there is no hold")


def main() -> None:
    target = Target()
    address = f"127.0.0.1:{free_port()}"
    environment = prepared({
        "TRIGRUN__SERVER__SIGN_UP": "open",
        "TRIGRUN__OPERATOR__ADDRESS": address,
        "TRIGRUN__PLANS__DEFAULT__JOBS": "1",
        "TRIGRUN__PLANS__PRO__JOBS": "100",
        "TRIGRUN__EGRESS__ALLOW": '["127.0.0.0/8"]',
    })
    token = command(environment, "operator", "create", "--name", "ada").strip()
    expect("there is an operator ada" in command(environment, "operator", "create", "--name", "ada", fails=True), "names are unique")
    step("a command creates an operator, and prints the token")
    operator = Operator(address, token)
    with tempfile.TemporaryDirectory() as directory:
        file = pathlib.Path(directory, "backup")
        with processes(environment) as api:
            account = {"email": "mallory@example.com", "password": PASSWORD, "workspace_name": "mass mailing"}
            session = api.expect(201, "POST", "/v1/auth/signup", account)["token"]
            request = {"url": target.url("/theirs")}
            job = {"name": "mailing", "kind": "cron", "schedule": {"cron": "@yearly"}, "request": request}
            job = api.expect(201, "POST", "/v1/jobs", job, session)["id"]
            expect(api.call("GET", "/operator/v1/hold", None, token)[0] != 200, "tenants reach the operator API")
            operator.api.expect(401, "GET", "/operator/v1/hold", None, session)
            step("tenants do not reach the operator API, and their sessions are refused by it")
            workspace = find(operator, session)
            suspend(operator, api, target, workspace, job, session)
            raise_limit(operator, api, workspace, session)
            each_second(environment, api, target)
            hold(operator, environment, target)
            client("pg_dump", "--format=custom", f"--file={file}", environment["TRIGRUN__POSTGRES__URL"])
            release(operator, target, "run")
            step("the hold is released, and what was missed runs")
        copy = restored(environment, file)
        with processes(copy):
            expect(operator.get("/hold")["hold"]["reason"] == "wrong requests", "the backup is not held")
            sends_nothing(target)
            step("a backup from during the hold is restored, and sends nothing for three seconds")
            release(operator, target, "skip")
            step("it is released, without what was missed")
            operator.change("DELETE", f"/workspaces/{workspace}?reason=asked%20by%20mail", None, 204)
            actions = operator.log(workspace)
            expected = ["deleted", "plan_changed", "resumed", "suspended"]
            expect([action for _, action, _ in actions] == [f"workspace.{action}" for action in expected], actions)
            expect(all(name == "ada" for name, _, _ in actions), actions)
            step("the workspace is deleted, and the audit log still says who did what to it, and why")
        command(copy, "operator", "delete", "--name", "ada", "--reason", "left the company")
        with running(copy):
            operator.api.expect(401, "GET", "/operator/v1/hold", None, token)
        step("the operator is deleted, and the token is refused")
    done()


def each_second(environment: dict[str, str], api: Api, target: Target) -> None:
    """A job of the operator that fires each second, which no request can ask for."""
    workspace = command(environment, "workspace", "create", "--name", "ours").strip()
    token = command(environment, "token", "create", "--workspace", workspace, "--name", "ours").strip()
    request = {"url": target.url("/ours")}
    job = {"name": "ours", "kind": "recurring", "schedule": {"every_n_minutes": 1}, "request": request}
    api.expect(201, "POST", "/v1/jobs", job, token)
    faster = "update job_timers set every_seconds = 1, next_run_at = now(), anchor_at = now() where workspace_id in"
    sql(environment, f"{faster} (select id from workspaces where name = 'ours')")


main()
