"""Verifies the requests that TrigRun makes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from standardwebhooks import Webhook, WebhookVerificationError

__all__ = ["Verified", "WebhookVerificationError", "verify"]


@dataclass(frozen=True)
class Verified:
    """What the signature of a request covers besides the body."""

    id: str
    """The id of the execution, or of the notification. It is the same on every attempt: a target that has seen it before has received
    the same request before."""
    timestamp: datetime
    """When the attempt was made."""


def verify(secret: str | Iterable[str], headers: Mapping[str, str], body: bytes | str) -> Verified:
    """Verifies that a request comes from the workspace with this signing secret, within the last five minutes, and that its body was
    not changed. Raises `WebhookVerificationError` otherwise.

    Args:
        secret: The signing secret, `whsec_…`; during a rotation, the new one and the old one.
        headers: Those of the request.
        body: The bytes or the text as they arrived, before any parsing.
    """
    signed = {name.lower(): value for name, value in headers.items()}
    failure: Exception = ValueError("The signing secret is missing.")
    for one in [secret] if isinstance(secret, str) else secret:
        webhook = Webhook(one)
        try:
            # Bodies of jobs need not be JSON.
            webhook.verify(body, signed, json_parse=False)
        except WebhookVerificationError as error:
            failure = error
        except ValueError:
            # Of a signature without a version, or a body that is not UTF-8.
            failure = WebhookVerificationError("The signature or the body cannot be read.")
        else:
            return Verified(signed["webhook-id"], datetime.fromtimestamp(float(signed["webhook-timestamp"]), UTC))
    raise failure
