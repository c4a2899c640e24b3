"""How requests are built, and when they are sent again. Shared by both clients."""

from __future__ import annotations

import os
import random
import re
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx

from .errors import TrigRunError, Unreachable

VERSION = "0.1.0"
# A longer Retry-After than this is for the caller to decide about.
MAX_RETRY_AFTER_SECONDS = 60
MAX_PAUSE_SECONDS = 8
# How long the API holds a request that waits for the end of an execution.
MAX_WAIT_SECONDS = 25

KEYED = re.compile(r"/v1/(jobs(/batch|/bulk|/import|/[^/]+/run-now)?|executions/(bulk|[^/]+/replay))")
"""The operations that take an Idempotency-Key."""
REPEATABLE = re.compile(r"/v1/(jobs/(apply|convert|export|[^/]+/(pause|resume))|schedules/preview|forecast/spread)")
"""The others whose requests change nothing, or nothing more the second time."""


def client_options(url: str | None, token: str | None) -> dict[str, Any]:
    """The arguments of a client of httpx."""
    url = url or os.environ.get("TRIGRUN_URL")
    token = token or os.environ.get("TRIGRUN_TOKEN")
    if not url:
        raise TrigRunError("The address of the API is missing. Pass url, or set TRIGRUN_URL.")
    if not url.startswith(("http://", "https://")):
        raise TrigRunError(f"The address of the API must begin with http:// or https://: {url}")
    if not token:
        raise TrigRunError("The API token is missing. Pass token, or set TRIGRUN_TOKEN.")
    headers = {"Authorization": f"Bearer {token}", "User-Agent": f"trigrun-python/{VERSION}"}
    return {"base_url": url, "headers": headers}


def path(template: str, *values: str) -> str:
    """Replaces each `{}` by a value, percent-encoded."""
    for value in values:
        if not value:
            # An empty part would make it the path of another operation.
            raise ValueError("An id, a key or a name is empty.")
    return template.format(*(quote(value, safe="") for value in values))


def arguments(method: str, path: str, params: Mapping[str, Any] | None, json: Any, headers: Mapping[str, str] | None) -> dict[str, Any]:
    """The arguments of a request of httpx, with an Idempotency-Key where the operation takes one."""
    sent = httpx.Headers(dict(headers or {}))
    if method == "POST" and KEYED.fullmatch(path):
        sent.setdefault("Idempotency-Key", str(uuid.uuid4()))
    query = {name.rstrip("_"): _text(value) for name, value in (params or {}).items() if value is not None}
    return {"method": method, "url": path, "params": query, "headers": sent, **({} if json is None else {"json": json})}


def _text(value: Any) -> Any:
    """A list is sent as the API reads it, separated by commas."""
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else value


def is_repeatable(method: str, path: str) -> bool:
    """Whether a request has its effect once, however often it is sent."""
    return method != "POST" or KEYED.fullmatch(path) is not None or REPEATABLE.fullmatch(path) is not None


def pause_after(response: httpx.Response, repeatable: bool, attempt: int) -> float | None:
    """How many seconds to wait until the next attempt; None if the response is final."""
    status = response.status_code
    # After 429 and 408, nothing has happened. After the others, the request may have had its effect.
    if status not in (408, 429) and not (repeatable and status in (502, 503, 504)):
        return None
    retry_after = response.headers.get("Retry-After", "")
    seconds = float(retry_after) if retry_after.isdecimal() else 0
    return None if seconds > MAX_RETRY_AFTER_SECONDS else max(seconds, pause(attempt))


def pause(attempt: int) -> float:
    """A quarter of a second, doubled each time, plus or minus a random quarter, so that clients do not return together."""
    return float(min(0.25 * 2**attempt, MAX_PAUSE_SECONDS)) * random.uniform(0.75, 1.25)


def unreachable(base: httpx.URL, method: str, path: str, error: httpx.TransportError) -> Unreachable:
    return Unreachable(f"No response from {base.scheme}://{base.netloc.decode()} to {method} {path}: {str(error) or type(error).__name__}")
