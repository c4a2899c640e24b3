"""The client for asyncio and trio. The synchronous one is generated from this file: generate.py says how."""

from __future__ import annotations

import itertools
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import anyio
import httpx

from . import types as t
from ._requests import MAX_WAIT_SECONDS, arguments, client_options, is_repeatable, path, pause, pause_after, unreachable
from .errors import Problem, WaitTimeout

T = TypeVar("T")


class AsyncTrigRun:
    """A client of the API. Close it, or use it in a `with` statement."""

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        retries: int = 4,
        timeout: float = 60,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Connects to the API at `url` with an API token.

        Args:
            url: The address of the API. Default: the environment variable TRIGRUN_URL.
            token: Default: the environment variable TRIGRUN_TOKEN.
            retries: How often a request is sent again after a failure that another attempt can cure.
            timeout: How many seconds to wait for a connection, and for data, besides the time that a request asks the API to wait.
            transport: A transport of httpx, for example with a proxy.
        """
        self._http = httpx.AsyncClient(**client_options(url, token), transport=transport)
        self._retries = retries
        self._timeout = timeout
        self.jobs = AsyncJobs(self)
        self.executions = AsyncExecutions(self)
        self.secrets = AsyncSecrets(self)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def apply(self, application: t.ApplyInput) -> t.Application:
        """Makes the jobs of a stack what `application` says; with `dry_run`, returns what would change."""
        return await self.send(t.Application, "POST", "/v1/jobs/apply", json=application)

    async def preview(self, schedule: t.PreviewInput) -> t.Preview:
        """Returns a schedule in words, and its next fires."""
        return await self.send(t.Preview, "POST", "/v1/schedules/preview", json=schedule)

    async def send(
        self,
        kind: type[T],
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> T:
        """Like `request`, and returns the body of the response. `kind` is its type, which is not checked."""
        body: T = (await self.request(method, path, params=params, json=json, headers=headers)).json()
        return body

    async def items(self, kind: type[T], path: str, params: Mapping[str, Any]) -> AsyncIterator[T]:
        """Reads the items of a list, with as many requests as that needs. `kind` is their type, which is not checked."""
        query = dict(params)
        while True:
            page = (await self.request("GET", path, params=query)).json()
            for item in page["data"]:
                yield item
            query["cursor"] = page["next_cursor"]
            if query["cursor"] is None:
                return

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Calls any operation of the API, again after failures that another attempt can cure. Raises `Problem` for an error response."""
        sent = arguments(method, path, params, json, headers)
        timeout = self._timeout + float((params or {}).get("wait") or 0)
        repeatable = is_repeatable(method, path)
        for attempt in itertools.count():
            is_last = attempt >= self._retries
            try:
                response = await self._http.request(**sent, timeout=timeout)
            except httpx.TransportError as error:
                if is_last or not repeatable:
                    raise unreachable(self._http.base_url, method, path, error) from error
                seconds = pause(attempt)
            else:
                if response.is_success:
                    return response
                wanted = None if is_last else pause_after(response, repeatable, attempt)
                if wanted is None:
                    raise Problem(response)
                seconds = wanted
            await anyio.sleep(seconds)
        raise AssertionError("the loop has no end")


class AsyncJobs:
    """The jobs of the workspace. `job` is an id or a key."""

    def __init__(self, client: AsyncTrigRun) -> None:
        self._client = client

    async def list(self, **filters: Unpack[t.ListJobsFilters]) -> AsyncIterator[t.Job]:
        """Reads the jobs that match, newest first. `limit` is the size of a page."""
        async for job in self._client.items(t.Job, "/v1/jobs", filters):
            yield job

    async def get(self, job: str) -> t.Job:
        """Returns a job."""
        return await self._client.send(t.Job, "GET", path("/v1/jobs/{}", job))

    async def create(self, job: t.JobInput, *, idempotency_key: str | None = None) -> t.Job:
        """Creates a job. Two calls with the same `idempotency_key` create one."""
        return await self._client.send(t.Job, "POST", "/v1/jobs", json=job, headers=_key(idempotency_key))

    async def create_many(self, jobs: Sequence[t.JobInput], *, idempotency_key: str | None = None) -> t.Batch:
        """Creates up to 1,000 jobs, or none of them if one is invalid."""
        return await self._client.send(t.Batch, "POST", "/v1/jobs/batch", json={"items": jobs}, headers=_key(idempotency_key))

    async def put(self, key: str, job: t.DeclaredJobInput) -> t.Job:
        """Creates the job with this key, or replaces its definition. What `job` leaves out gets its default."""
        return await self._client.send(t.Job, "PUT", path("/v1/jobs/{}", key), json=job)

    async def update(self, job: str, patch: t.JobPatch, *, version: int | None = None) -> t.Job:
        """Changes the fields in `patch`, only if the job still has this version."""
        headers = {} if version is None else {"If-Match": f'"{version}"'}
        return await self._client.send(t.Job, "PATCH", path("/v1/jobs/{}", job), json=patch, headers=headers)

    async def delete(self, job: str) -> None:
        """Deletes a job and its executions."""
        await self._client.request("DELETE", path("/v1/jobs/{}", job))

    async def pause(self, job: str, *, note: str | None = None, until: str | None = None) -> t.Job:
        """Pauses a job, until `until` (RFC 3339) or until it is resumed."""
        # Without a body, a job that is paused already keeps its note.
        body: t.PauseInput | None = {"note": note, "until": until} if note or until else None
        return await self._client.send(t.Job, "POST", path("/v1/jobs/{}/pause", job), json=body)

    async def resume(self, job: str) -> t.Job:
        """Resumes a paused job."""
        return await self._client.send(t.Job, "POST", path("/v1/jobs/{}/resume", job))

    async def run(self, job: str, *, idempotency_key: str | None = None) -> t.Execution:
        """Runs a job now, and returns the execution that has been queued."""
        return await self._run(job, 0, idempotency_key)

    async def run_and_wait(self, job: str, *, timeout: float = 300, idempotency_key: str | None = None) -> t.Execution:
        """Runs a job now, and returns the execution when it has ended. Raises `WaitTimeout` after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        execution = await self._run(job, _wait(timeout), idempotency_key)
        return await self._client.executions._until_ended(execution, deadline, timeout)

    async def _run(self, job: str, wait: int, idempotency_key: str | None) -> t.Execution:
        where, params = path("/v1/jobs/{}/run-now", job), {"wait": wait}
        return await self._client.send(t.Execution, "POST", where, params=params, headers=_key(idempotency_key))

    async def executions(self, job: str, **filters: Unpack[t.ListJobExecutionsFilters]) -> AsyncIterator[t.Execution]:
        """Reads the executions of a job that match, newest first."""
        async for execution in self._client.items(t.Execution, path("/v1/jobs/{}/executions", job), filters):
            yield execution

    async def export(self, *, stack: str | None = None, tag: str | None = None) -> dict[str, t.AppliedJobInput]:
        """Returns the jobs by their keys, as `apply` takes them."""
        jobs: dict[str, t.AppliedJobInput] = {}
        cursor: str | None = None
        while True:
            body: t.ExportInput = {"stack": stack, "tag": tag, "cursor": cursor}
            page = (await self._client.request("POST", "/v1/jobs/export", json=body)).json()
            jobs.update(page["jobs"])
            cursor = page["next_cursor"]
            if cursor is None:
                return jobs


class AsyncExecutions:
    """The executions of all jobs."""

    def __init__(self, client: AsyncTrigRun) -> None:
        self._client = client

    async def list(self, **filters: Unpack[t.ListExecutionsFilters]) -> AsyncIterator[t.Execution]:
        """Reads the executions that match, newest first. `limit` is the size of a page."""
        async for execution in self._client.items(t.Execution, "/v1/executions", filters):
            yield execution

    async def get(self, execution_id: str) -> t.Execution:
        """Returns an execution with its attempts."""
        return await self._get(execution_id, 0)

    async def wait(self, execution_id: str, *, timeout: float = 300) -> t.Execution:
        """Returns an execution when it has ended. Raises `WaitTimeout` after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        return await self._until_ended(await self._get(execution_id, 0), deadline, timeout)

    async def replay(self, execution_id: str, *, idempotency_key: str | None = None) -> t.Execution:
        """Runs the request of an execution again, and returns the new execution."""
        return await self._client.send(t.Execution, "POST", path("/v1/executions/{}/replay", execution_id), headers=_key(idempotency_key))

    async def cancel(self, execution_id: str) -> t.Execution:
        """Cancels an execution that has not ended."""
        return await self._client.send(t.Execution, "POST", path("/v1/executions/{}/cancel", execution_id))

    async def _get(self, execution_id: str, wait: int) -> t.Execution:
        return await self._client.send(t.Execution, "GET", path("/v1/executions/{}", execution_id), params={"wait": wait})

    async def _until_ended(self, execution: t.Execution, deadline: float, timeout: float) -> t.Execution:
        while execution["finished_at"] is None:
            asked = time.monotonic()
            if asked >= deadline:
                raise WaitTimeout(execution, timeout)
            execution = await self._get(execution["id"], _wait(deadline - asked))
            # A busy server responds at once.
            if execution["finished_at"] is None and time.monotonic() < min(asked + 1, deadline):
                await anyio.sleep(min(asked + 1, deadline) - time.monotonic())
        return execution


class AsyncSecrets:
    """The secrets of the workspace. No operation returns a value."""

    def __init__(self, client: AsyncTrigRun) -> None:
        self._client = client

    async def list(self) -> AsyncIterator[t.Secret]:
        """Reads the secrets, without their values."""
        async for secret in self._client.items(t.Secret, "/v1/secrets", {}):
            yield secret

    async def set(self, name: str, value: str) -> t.Secret:
        """Creates a secret, or replaces its value."""
        return await self._client.send(t.Secret, "PUT", path("/v1/secrets/{}", name), json={"value": value})

    async def delete(self, name: str, *, force: bool = False) -> None:
        """Deletes a secret; with `force` even if jobs use it."""
        await self._client.request("DELETE", path("/v1/secrets/{}", name), params={"force": "true"} if force else None)


def _key(idempotency_key: str | None) -> dict[str, str]:
    return {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}


def _wait(seconds: float) -> int:
    return min(MAX_WAIT_SECONDS, int(seconds))
