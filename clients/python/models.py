"""The scenario of README.md with models of datamodel-code-generator, sent by httpx."""

import os
import time
from typing import Any

import httpx
from pydantic import BaseModel, ValidationError

from trigrun_models import Execution, Job, JobInput, JobList, JobPatch, Problem

SERVER = os.environ["TRIGRUN_URL"]
TAG = f"models-{os.getpid()}"
REQUEST = {"url": f"{SERVER}/livez"}
http = httpx.Client(base_url=f"{SERVER}/v1", headers={"Authorization": f"Bearer {os.environ['TRIGRUN_TOKEN']}"})


def send(method: str, path: str, body: BaseModel | None = None, **more: Any) -> httpx.Response:
    if body is None:
        return http.request(method, path, **more)
    # Without what is not set: an explicit null restores a default.
    content = body.model_dump_json(exclude_unset=True)
    kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
    return http.request(method, path, content=content, headers={"Content-Type": kind}, **more)


def create(kind: str, schedule: dict[str, Any] | None) -> Job:
    body = JobInput.model_validate({"name": kind, "kind": kind, "schedule": schedule, "request": REQUEST, "tags": [TAG]})
    job = Job.model_validate(send("POST", "/jobs", body).raise_for_status().json())
    assert job.kind == kind
    return job


create("recurring", {"every_n_minutes": 60})
cron = create("cron", {"cron": "30 4 * * MON-FRI", "timezone": "Europe/Berlin"})
create("scheduled", {"run_at": "2999-01-01T00:00:00Z"})
assert create("one_time", None).execution_id
try:
    create("cron", {"corn": "@daily"})
    raise AssertionError("a field that does not exist is accepted")
except ValidationError:
    pass

# A change of the name changes nothing else.
paused = JobInput.model_validate(
    {
        "name": "before",
        "kind": "recurring",
        "schedule": {"every_n_minutes": 5},
        "state": "paused",
        "delivery": "at_most_once",
        "overlap_policy": "skip",
        "misfire_policy": "catch_up",
        "catch_up_limit": 7,
        "concurrency_limit": 2,
        "retry_policy": {"max_attempts": 5, "retry_on_statuses": [503]},
        "request": REQUEST | {"method": "POST", "headers": {"X-Team": "billing"}, "body": {"a": 1}, "timeout_seconds": 9},
        "tags": [TAG, "kept"],
    }
)
before = Job.model_validate(send("POST", "/jobs", paused).raise_for_status().json())
after = Job.model_validate(send("PATCH", f"/jobs/{before.id}", JobPatch(name="after")).raise_for_status().json())
assert after.name == "after"
changed = {"name", "version", "updated_at"}
assert after.model_dump(exclude=changed) == before.model_dump(exclude=changed)

# Page by page.
found: list[str] = []
query: dict[str, str | int] = {"tag": TAG, "limit": 2}
while True:
    page = JobList.model_validate(send("GET", "/jobs", params=query).raise_for_status().json())
    found += [job.id for job in page.data]
    if page.next_cursor is None:
        break
    query["cursor"] = page.next_cursor
assert len(found) == len(set(found)) == 5

# A run, and its result.
first, second = (send("POST", f"/jobs/{cron.id}/run-now", headers={"Idempotency-Key": TAG}) for _ in range(2))
assert (first.status_code, second.status_code, second.headers["Idempotent-Replayed"]) == (202, 200, "true")
execution = Execution.model_validate(first.json())
assert Execution.model_validate(second.json()).id == execution.id
deadline = time.monotonic() + 300
while execution.finished_at is None:
    assert time.monotonic() < deadline, "the execution does not end"
    time.sleep(0.1)
    execution = Execution.model_validate(send("GET", f"/executions/{execution.id}").raise_for_status().json())
assert execution.status == "succeeded"
assert execution.attempts and execution.attempts[0].status_code == 200

# Errors have a type, too.
wrong = JobInput.model_validate({"name": "x", "kind": "cron", "schedule": {"cron": "61 * * * *"}, "request": REQUEST})
invalid = Problem.model_validate(send("POST", "/jobs", wrong).json())
assert invalid.code == "validation_failed"
assert [error.pointer for error in invalid.errors or []] == ["/schedule/cron"]
assert Problem.model_validate(send("GET", "/jobs/job_none").json()).code == "not_found"
