"""Both clients and the real system."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from trigrun import AsyncTrigRun, Problem, TrigRun, TrigRunError, Unreachable, WaitTimeout
from trigrun._requests import KEYED, REPEATABLE
from trigrun.types import AppliedJobInput, DeclaredJobInput, JobInput

from .conftest import API, TAG, Answer, Listener, Server, forward
from .operations import WITHOUT_METHOD, operations

DOCUMENT: dict[str, Any] = json.loads((Path(__file__).parent.parent / "openapi.json").read_text())


def job(name: str, url: str = f"{API}/livez") -> JobInput:
    return {"name": name, "tags": [TAG], "schedule": {"cron": "30 4 1 1 *"}, "request": {"url": url}}


def test_every_method_reaches_its_operation(serve: Callable[[Listener], Server]) -> None:
    """Through a proxy that only records. The operations without a method are a list."""
    proxy = serve(lambda _, request: forward(request))
    key = f"{TAG}-all"
    declared: DeclaredJobInput = {"schedule": {"cron": "30 4 1 1 *"}, "request": {"url": f"{API}/livez"}}
    applied: AppliedJobInput = {"schedule": {"every_n_minutes": 60}, "request": {"url": f"{API}/livez"}}
    with TrigRun(proxy.url) as client:
        assert client.jobs.put(key, declared)["version"] == 1
        assert client.jobs.update(key, {"tags": [TAG, key]}, version=1)["version"] == 2
        with pytest.raises(Problem, match="If-Match") as stale:
            client.jobs.update(key, {"name": "other"}, version=1)
        assert stale.value.status == 412
        assert client.jobs.get(key)["key"] == key
        assert [found["key"] for found in client.jobs.list(tag=key)] == [key]
        assert client.jobs.create(job("created"))["name"] == "created"
        batch = client.jobs.create_many([job("first"), job("second")])
        assert [created["name"] for created in batch["created"]] == ["first", "second"]
        assert client.jobs.pause(key, note="moving")["state"] == "paused"
        # Without a note, it keeps the one that it has.
        pause = client.jobs.pause(key)["paused"]
        assert pause is not None
        assert pause["note"] == "moving"
        assert client.jobs.resume(key)["state"] == "active"
        assert client.jobs.run_and_wait(key)["status"] == "succeeded"
        queued = client.jobs.run(key)
        ended = client.executions.wait(queued["id"])
        assert (ended["id"], ended["status"]) == (queued["id"], "succeeded")
        assert client.executions.get(queued["id"])["attempts"][0]["status_code"] == 200
        replayed = client.executions.replay(queued["id"])
        assert client.executions.wait(replayed["id"])["replay_of"] == queued["id"]
        with pytest.raises(Problem, match="ended") as over:
            client.executions.cancel(queued["id"])
        assert over.value.code == "execution_ended"
        assert len(list(client.jobs.executions(key, status=["succeeded", "failed"], limit=2))) == 3
        ids = {execution["id"] for execution in client.executions.list(job_id=key, from_="2020-01-01T00:00:00Z")}
        assert {queued["id"], replayed["id"]} < ids
        application = client.apply({"stack": key, "jobs": {f"{key}-stack": applied}})
        assert application["summary"]["create"] == 1
        exported = client.jobs.export(stack=key)
        assert list(exported) == [f"{key}-stack"]
        assert client.apply({"stack": key, "jobs": exported, "dry_run": True})["summary"]["unchanged"] == 1
        preview = client.preview({"kind": "cron", "schedule": {"cron": "0 9 * * MON", "timezone": "Europe/Berlin"}})
        assert len(preview["fires"]) == 5
        assert client.secrets.set(key, "a-long-value")["version"] == 1
        assert key in [secret["name"] for secret in client.secrets.list()]
        client.secrets.delete(key, force=True)
        client.jobs.delete(key)
        with pytest.raises(Problem, match="no job with this id"):
            client.jobs.get(key)
    reached = operations(DOCUMENT, proxy.seen)
    everything = {operation["operationId"] for methods in DOCUMENT["paths"].values() for operation in methods.values()}
    assert reached == everything - WITHOUT_METHOD, "add a method, or the operation to WITHOUT_METHOD"


def test_the_operations_that_are_repeated_are_those_of_the_document() -> None:
    for path, methods in DOCUMENT["paths"].items():
        if "post" in methods:
            takes_key = {"$ref": "#/components/parameters/IdempotencyKey"} in methods["post"].get("parameters", [])
            assert bool(KEYED.fullmatch(path)) == takes_key, path
            assert not (takes_key and REPEATABLE.fullmatch(path)), path


def test_a_list_is_read_page_by_page(client: TrigRun) -> None:
    tag = f"{TAG}-pages"
    client.jobs.create_many([{**job(name), "tags": [tag]} for name in "abcde"])
    assert sorted(found["name"] for found in client.jobs.list(tag=tag, limit=2)) == list("abcde")


def test_the_same_key_runs_a_job_once(client: TrigRun) -> None:
    created = client.jobs.create(job("once"), idempotency_key=f"{TAG}-once")
    assert client.jobs.create(job("once"), idempotency_key=f"{TAG}-once")["id"] == created["id"]
    first = client.jobs.run_and_wait(created["id"], idempotency_key=TAG)
    assert client.jobs.run_and_wait(created["id"], idempotency_key=TAG)["id"] == first["id"]
    assert client.jobs.run_and_wait(created["id"])["id"] != first["id"]


def test_a_problem_has_the_pointers_of_all_fields(client: TrigRun) -> None:
    with pytest.raises(Problem) as raised:
        client.jobs.create({**job(""), "schedule": {"cron": "61 * * * *"}})
    problem = raised.value
    assert (problem.status, problem.code) == (422, "validation_failed")
    assert sorted(error["pointer"] for error in problem.errors) == ["/name", "/schedule/cron"]
    assert "\n  /schedule/cron: " in str(problem)
    assert problem.request_id


def test_waiting_ends_after_its_time_and_the_execution_goes_on(client: TrigRun, serve: Callable[[Listener], Server]) -> None:
    release = threading.Event()

    def hold(_: int, __: httpx.Request) -> Answer | None:
        release.wait(300)
        return 200, {}, b""

    slow = client.jobs.create(job("slow", serve(hold).url))
    # The timeout of a request does not include the time that the API waits.
    with TrigRun(timeout=1, retries=0) as impatient, pytest.raises(WaitTimeout) as raised:
        impatient.jobs.run_and_wait(slow["id"], timeout=2.5)
    assert raised.value.execution["finished_at"] is None
    release.set()
    assert client.executions.wait(raised.value.execution["id"])["status"] == "succeeded"


def test_a_lost_response_repeats_the_request_and_it_has_one_effect(client: TrigRun, serve: Callable[[Listener], Server]) -> None:
    def cut_the_first(count: int, request: httpx.Request) -> Answer | None:
        answer = forward(request)
        return None if count == 0 else answer

    proxy, tag = serve(cut_the_first), f"{TAG}-cut"
    with TrigRun(proxy.url) as through:
        through.jobs.create({**job("cut"), "tags": [tag]})
    assert proxy.seen == ["POST /v1/jobs", "POST /v1/jobs"]
    assert len(list(client.jobs.list(tag=tag))) == 1


def test_a_request_that_could_have_two_effects_is_not_repeated(serve: Callable[[Listener], Server]) -> None:
    proxy = serve(lambda _, request: None)
    with TrigRun(proxy.url) as client, pytest.raises(Unreachable, match=r"No response from http://127.*POST /v1/secrets: "):
        client.request("POST", "/v1/secrets", json={"name": f"{TAG}-lost", "value": "12345678"})
    assert len(proxy.seen) == 1


def test_retry_after_is_respected(serve: Callable[[Listener], Server]) -> None:
    def busy(seconds: str) -> Answer:
        return 503, {"Retry-After": seconds, "Content-Type": "application/problem+json"}, b'{"code": "busy", "detail": "Busy."}'

    soon = serve(lambda count, request: busy("0") if count < 2 else forward(request))
    with TrigRun(soon.url) as client:
        client.request("GET", "/v1/me")
    assert len(soon.seen) == 3
    later = serve(lambda count, request: busy("3600"))
    with TrigRun(later.url) as client, pytest.raises(Problem, match="Busy"):
        client.request("GET", "/v1/me")
    assert len(later.seen) == 1
    never = serve(lambda count, request: busy("0"))
    with TrigRun(never.url, retries=1) as client, pytest.raises(Problem, match="Busy"):
        client.request("GET", "/v1/me")
    assert len(never.seen) == 2


def test_a_response_of_another_server_is_told_from_one_of_trigrun(serve: Callable[[Listener], Server]) -> None:
    other = serve(lambda count, request: (404, {"Content-Type": "text/html"}, b"<html>"))
    with TrigRun(other.url) as client, pytest.raises(Problem, match="Check that url") as raised:
        client.jobs.get("x")
    assert raised.value.code == "unexpected_response"
    redirect = serve(lambda count, request: (308, {"Location": "https://example.com/"}, b""))
    with TrigRun(redirect.url) as client, pytest.raises(Problem, match=r"redirects to https://example.com/"):
        client.jobs.get("x")


def test_a_client_without_a_server_or_a_token_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, client: TrigRun) -> None:
    for variable in ("TRIGRUN_URL", "TRIGRUN_TOKEN"):
        with monkeypatch.context() as patch:
            patch.delenv(variable)
            with pytest.raises(TrigRunError, match=variable):
                TrigRun()
    with pytest.raises(TrigRunError, match="must begin with http"):
        TrigRun("localhost:8080")
    with pytest.raises(ValueError, match="empty"):
        client.jobs.delete("")


def test_the_asynchronous_client_does_the_same() -> None:
    async def use() -> None:
        async with AsyncTrigRun() as client:
            created = await client.jobs.create({**job("asynchronous"), "tags": [f"{TAG}-async"]})
            assert (await client.jobs.run_and_wait(created["id"]))["status"] == "succeeded"
            assert [found["id"] async for found in client.jobs.list(tag=f"{TAG}-async")] == [created["id"]]
            with pytest.raises(Problem, match="no job"):
                await client.jobs.get("no-such-job")

    anyio.run(use)
