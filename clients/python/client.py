"""The scenario of README.md with a client of openapi-python-client."""

import os
import time
from datetime import datetime, timezone
from typing import TypeVar

from trigrun_client import AuthenticatedClient
from trigrun_client.api.executions import get_execution
from trigrun_client.api.jobs import create_job, get_job, list_jobs, patch_job, run_job_now
from trigrun_client.models import (
    CronScheduleInput,
    Delivery,
    Execution,
    Job,
    JobInput,
    JobKind,
    JobList,
    JobPatch,
    Method,
    MisfirePolicy,
    OverlapPolicy,
    Problem,
    RecurringScheduleInput,
    RequestInput,
    RequestInputHeadersType0,
    RetryPolicyInput,
    ScheduledScheduleInput,
    WantedState,
)
from trigrun_client.types import UNSET, Unset

SERVER = os.environ["TRIGRUN_URL"]
TAG = f"python-{os.getpid()}"
client = AuthenticatedClient(base_url=SERVER, token=os.environ["TRIGRUN_TOKEN"], raise_on_unexpected_status=True)

T = TypeVar("T")


def is_a(kind: type[T], value: object) -> T:
    assert isinstance(value, kind), value
    return value


Schedule = CronScheduleInput | RecurringScheduleInput | ScheduledScheduleInput | Unset


def create(kind: JobKind, schedule: Schedule) -> Job:
    body = JobInput(name=str(kind), kind=kind, schedule=schedule, request=RequestInput(url=f"{SERVER}/livez"), tags=[TAG])
    job = is_a(Job, create_job.sync(client=client, body=body))
    assert job.kind == kind
    return job


create(JobKind.RECURRING, RecurringScheduleInput(every_n_minutes=60))
cron = create(JobKind.CRON, CronScheduleInput(cron="30 4 * * MON-FRI", timezone="Europe/Berlin"))
create(JobKind.SCHEDULED, ScheduledScheduleInput(run_at=datetime(2999, 1, 1, tzinfo=timezone.utc)))
once = create(JobKind.ONE_TIME, UNSET)
assert once.execution_id

# A change of the name changes nothing else.
headers = RequestInputHeadersType0()
headers["X-Team"] = "billing"
request = RequestInput(
    url=f"{SERVER}/livez", method=Method.POST, headers=headers, body={"a": 1}, timeout_seconds=9, success_statuses=[200, 201]
)
paused = JobInput(
    name="before",
    kind=JobKind.RECURRING,
    schedule=RecurringScheduleInput(every_n_minutes=5),
    state=WantedState.PAUSED,
    delivery=Delivery.AT_MOST_ONCE,
    overlap_policy=OverlapPolicy.SKIP,
    misfire_policy=MisfirePolicy.CATCH_UP,
    catch_up_limit=7,
    concurrency_limit=2,
    retry_policy=RetryPolicyInput(max_attempts=5, retry_on_statuses=[503]),
    request=request,
    tags=[TAG, "kept"],
)
before = is_a(Job, create_job.sync(client=client, body=paused))
after = is_a(Job, patch_job.sync(before.id, client=client, body=JobPatch(name="after"), if_match=f'"{before.version}"'))
assert after.name == "after"
changed = {"name", "version", "updated_at"}
assert {key: value for key, value in after.to_dict().items() if key not in changed} == {
    key: value for key, value in before.to_dict().items() if key not in changed
}

# Page by page.
found: list[str] = []
cursor: str | Unset = UNSET
while True:
    page = is_a(JobList, list_jobs.sync(client=client, tag=TAG, limit=2, cursor=cursor))
    assert len(page.data) <= 2
    found += [job.id for job in page.data]
    if page.next_cursor is None:
        break
    cursor = page.next_cursor
assert len(found) == len(set(found)) == 5

# A run, and its result.
first = run_job_now.sync_detailed(cron.id, client=client, idempotency_key=TAG)
second = run_job_now.sync_detailed(cron.id, client=client, idempotency_key=TAG)
assert (first.status_code, second.status_code, second.headers["Idempotent-Replayed"]) == (202, 200, "true")
execution = is_a(Execution, first.parsed)
assert is_a(Execution, second.parsed).id == execution.id
deadline = time.monotonic() + 300
while execution.finished_at is None:
    assert time.monotonic() < deadline, "the execution does not end"
    time.sleep(0.1)
    execution = is_a(Execution, get_execution.sync(execution.id, client=client))
assert execution.status == "succeeded"
assert not isinstance(execution.attempts, Unset) and execution.attempts[0].status_code == 200

# Errors have a type, too.
wrong = JobInput(name="", kind=JobKind.CRON, schedule=CronScheduleInput(cron="61 * * * *"), request=request)
invalid = is_a(Problem, create_job.sync(client=client, body=wrong))
assert invalid.code == "validation_failed" and not isinstance(invalid.errors, Unset)
assert sorted(error.pointer for error in invalid.errors) == ["/name", "/schedule/cron"]
assert is_a(Problem, get_job.sync("job_none", client=client)).code == "not_found"
