// The scenario of README.md with a client of openapi-typescript and openapi-fetch.
import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";
import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

type JobInput = components["schemas"]["JobInput"];

const server = process.env.TRIGRUN_URL!;
const { GET, POST, PATCH } = createClient<paths>({
  baseUrl: server,
  headers: { Authorization: `Bearer ${process.env.TRIGRUN_TOKEN}` },
});
const tag = `typescript-${process.pid}`;
const request = { url: `${server}/livez` };

async function create(input: Omit<JobInput, "name" | "request" | "tags"> & { kind: NonNullable<JobInput["kind"]> }) {
  const body: JobInput = { name: input.kind, request, tags: [tag], ...input };
  const { data, error } = await POST("/v1/jobs", { body });
  assert.ok(data, error?.detail);
  assert.equal(data.kind, input.kind);
  return data;
}

await create({ kind: "recurring", schedule: { every_n_minutes: 60 } });
const cron = await create({ kind: "cron", schedule: { cron: "30 4 * * MON-FRI", timezone: "Europe/Berlin" } });
await create({ kind: "scheduled", schedule: { run_at: "2999-01-01T00:00:00Z" } });
const once = await create({ kind: "one_time" });
assert.ok(once.execution_id);
assert.ok(cron.schedule && "timezone" in cron.schedule);
assert.equal(cron.schedule.timezone, "Europe/Berlin");

// A change of the name changes nothing else.
const { data: before } = await POST("/v1/jobs", {
  body: {
    name: "before",
    kind: "recurring",
    schedule: { every_n_minutes: 5 },
    state: "paused",
    delivery: "at_most_once",
    overlap_policy: "skip",
    misfire_policy: "catch_up",
    catch_up_limit: 7,
    concurrency_limit: 2,
    retry_policy: { max_attempts: 5, retry_on_statuses: [503] },
    request: { ...request, method: "POST", headers: { "X-Team": "billing" }, body: { a: 1 }, timeout_seconds: 9, success_statuses: [200, 201] },
    tags: [tag, "kept"],
  },
});
assert.ok(before);
const path = { id: before.id };
const { data: after } = await PATCH("/v1/jobs/{id}", { params: { path, header: { "If-Match": `"${before.version}"` } }, body: { name: "after" } });
assert.ok(after);
assert.equal(after.name, "after");
assert.deepEqual({ ...after, name: "before", version: before.version, updated_at: before.updated_at }, before);

// Page by page.
const found: string[] = [];
for (let cursor: string | undefined, more = true; more; ) {
  const { data: page, response } = await GET("/v1/jobs", { params: { query: { tag, limit: 2, cursor } } });
  assert.ok(page && page.data.length <= 2 && response.headers.has("RateLimit"));
  found.push(...page.data.map((job) => job.id));
  [cursor, more] = [page.next_cursor ?? undefined, page.has_more];
}
assert.equal(new Set(found).size, 5);
assert.equal(found.length, 5);

// A run, and its result.
const run = { params: { path: { id: cron.id }, header: { "Idempotency-Key": tag } } };
const { data: started, response: first } = await POST("/v1/jobs/{id}/run-now", run);
const { data: repeated, response: second } = await POST("/v1/jobs/{id}/run-now", run);
assert.ok(started && repeated);
assert.deepEqual([first.status, second.status, second.headers.get("Idempotent-Replayed")], [202, 200, "true"]);
assert.equal(started.id, repeated.id);
const deadline = Date.now() + 300_000;
let execution = started;
while (execution.finished_at === null) {
  assert.ok(Date.now() < deadline, "the execution does not end");
  await setTimeout(100);
  const { data } = await GET("/v1/executions/{id}", { params: { path: { id: started.id } } });
  assert.ok(data);
  execution = data;
}
assert.equal(execution.status, "succeeded");
assert.equal(execution.attempts?.[0]?.status_code, 200);

// Errors have a type, too.
const { error: invalid } = await POST("/v1/jobs", { body: { name: "", kind: "cron", schedule: { cron: "61 * * * *" }, request } });
assert.ok(invalid);
assert.equal(invalid.code, "validation_failed");
assert.deepEqual(invalid.errors?.map((error) => error.pointer).sort(), ["/name", "/schedule/cron"]);
const { error: missing } = await GET("/v1/jobs/{id}", { params: { path: { id: "job_none" } } });
assert.equal(missing?.code, "not_found");
