"""The signatures of real requests."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from trigrun import TrigRun
from trigrun.types import Method
from trigrun.webhooks import WebhookVerificationError, verify

from .conftest import Listener, Server


@pytest.fixture(scope="module")
def secret(client: TrigRun) -> str:
    return str(client.request("GET", "/v1/workspace/signing-secret").json()["secret"])


def run(client: TrigRun, serve: Callable[[Listener], Server], method: Method, body: Any) -> tuple[str, dict[str, str], bytes]:
    """Runs a request once: the execution's id, and what the target received."""
    target = serve(lambda count, request: (204, {}, b""))
    job = client.jobs.create({"name": "signed", "kind": "one_time", "request": {"url": target.url, "method": method, "body": body}})
    execution = client.executions.wait(job["execution_id"])
    assert execution["status"] == "succeeded"
    return execution["id"], *target.received[0]


@pytest.mark.parametrize(("method", "body"), [("POST", {"hello": "wörld"}), ("POST", "not JSON: ☃"), ("GET", None)])
def test_requests_of_trigrun_are_verified(
    client: TrigRun, serve: Callable[[Listener], Server], secret: str, method: Method, body: Any
) -> None:
    execution_id, headers, received = run(client, serve, method, body)
    verified = verify(secret, headers, received)
    assert verified.id == execution_id
    assert abs(datetime.now(UTC) - verified.timestamp) < timedelta(minutes=5)
    assert verify(["whsec_AAAA", secret], headers, received.decode()).id == execution_id


def test_what_was_changed_or_signed_with_another_secret_is_refused(
    client: TrigRun, serve: Callable[[Listener], Server], secret: str
) -> None:
    _, received, body = run(client, serve, "POST", {"amount": 1})
    headers = {name.lower(): value for name, value in received.items()}
    assert verify(secret, headers, body)
    later = str(int(headers["webhook-timestamp"]) + 1)
    refused: list[tuple[str, dict[str, str], bytes]] = [
        (secret, headers, b'{"amount":2}'),
        (secret, headers, b"\xff"),
        (secret, {**headers, "webhook-timestamp": later}, body),
        (secret, {**headers, "webhook-timestamp": "1700000000"}, body),
        (secret, {**headers, "webhook-timestamp": "tomorrow"}, body),
        (secret, {**headers, "webhook-id": "exe_other"}, body),
        (secret, {**headers, "webhook-signature": "nonsense"}, body),
        (secret, {**headers, "webhook-signature": "v1,☃"}, body),
        (secret, {}, body),
        ("whsec_AAAA", headers, body),
    ]
    for one, changed, content in refused:
        with pytest.raises(WebhookVerificationError):
            verify(one, changed, content)
    with pytest.raises(ValueError, match="signing secret is missing"):
        verify([], headers, body)


def test_notifications_are_verified(client: TrigRun, serve: Callable[[Listener], Server], secret: str) -> None:
    target = serve(lambda count, request: (204, {}, b""))
    channel = {"name": f"python-{os.getpid()}", "type": "webhook", "config": {"url": target.url}}
    channel_id = client.request("POST", "/v1/notification-channels", json=channel).json()["id"]
    notification = client.request("POST", f"/v1/notification-channels/{channel_id}/test").json()
    where = f"/v1/notifications/{notification['id']}"
    deadline = datetime.now(UTC) + timedelta(minutes=1)
    while client.request("GET", where).json()["status"] != "succeeded":
        assert datetime.now(UTC) < deadline, "the notification does not arrive"
    headers, body = target.received[0]
    assert verify(secret, headers, body).id == notification["id"]
