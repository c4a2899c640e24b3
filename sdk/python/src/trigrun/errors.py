"""The errors of this package."""

from __future__ import annotations

import httpx

from .types import Execution, FieldProblem

__all__ = ["Problem", "TrigRunError", "Unreachable", "WaitTimeout"]


class TrigRunError(Exception):
    """What every error of this package extends."""


class Unreachable(TrigRunError):
    """No response came, after all retries. `__cause__` is the error of httpx."""


class WaitTimeout(TrigRunError):
    """An execution did not end in the time that the caller gave it. It goes on."""

    def __init__(self, execution: Execution, seconds: float) -> None:
        super().__init__(f"The execution {execution['id']} has not ended within {seconds:g} s. It is {execution['status']}, and goes on.")
        self.execution = execution
        """The execution as it was last seen."""


class Problem(TrigRunError):
    """An error response of the API (RFC 9457)."""

    status: int
    code: str
    """A stable code for programs, such as `validation_failed`; `unexpected_response` if something else than TrigRun responded."""
    detail: str
    """What went wrong, and what to do about it."""
    errors: list[FieldProblem]
    """All invalid fields and parameters, each with a JSON pointer."""
    request_id: str | None
    """Name it when you report a problem."""
    response: httpx.Response

    def __init__(self, response: httpx.Response) -> None:
        is_problem = response.headers.get("Content-Type", "").startswith("application/problem+json")
        body = response.json() if is_problem else {}
        self.response = response
        self.status = response.status_code
        self.code = body.get("code", "unexpected_response")
        self.detail = body.get("detail") or _unexpected(response)
        self.errors = body.get("errors", [])
        self.request_id = body.get("request_id") or response.headers.get("X-Request-Id")
        # `detail` names a single field by itself, but only lists the names of several.
        fields = [f"\n  {error['pointer']}: {error['detail']}" for error in self.errors]
        super().__init__(self.detail + ("".join(fields) if len(fields) > 1 else ""))


def _unexpected(response: httpx.Response) -> str:
    location = response.headers.get("Location")
    if location:
        return f"The server redirects to {location}. Use the address of the API itself as url."
    return f"The response with status {response.status_code} is not one of TrigRun. Check that url is the address of the API."
