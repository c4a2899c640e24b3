import assert from "node:assert/strict";
import { test } from "node:test";
import { Problem, TrigRun, TrigRunError, Unreachable, WaitTimeout, type JobInput } from "@trigrun/sdk";
import { API, proxy, serve } from "./servers.js";

const trigrun = new TrigRun();
const TAG = `typescript-${process.pid}`;

function job(name: string, url = `${API}/livez`): JobInput {
  return { name, tags: [TAG], schedule: { cron: "30 4 1 1 *" }, request: { url } };
}

test("a job is created, runs, and its execution is returned", async () => {
  const id = `${TAG}-hello`;
  const { data: created, response } = await trigrun.PUT("/v1/jobs/{id}", {
    params: { path: { id } },
    body: { schedule: { cron: "30 4 * * MON-FRI", timezone: "Europe/Berlin" }, request: { url: `${API}/livez` } },
  });
  assert.equal(response.status, 201);
  assert.equal(created.key, id);
  const execution = await trigrun.runAndWait(id);
  assert.equal(execution.status, "succeeded");
  assert.equal(execution.attempts?.[0]?.status_code, 200);
  await trigrun.DELETE("/v1/jobs/{id}", { params: { path: { id } } });
});

test("the same idempotency key runs a job once", async () => {
  const { data } = await trigrun.POST("/v1/jobs", { body: job("once") });
  const first = await trigrun.runAndWait(data.id, { idempotencyKey: TAG });
  const second = await trigrun.runAndWait(data.id, { idempotencyKey: TAG });
  const third = await trigrun.runAndWait(data.id);
  assert.equal(second.id, first.id);
  assert.notEqual(third.id, first.id);
});

test("a list is read page by page", async () => {
  const tag = `${TAG}-pages`;
  const items = ["a", "b", "c", "d", "e"].map((name) => ({ ...job(name), tags: [tag] }));
  await trigrun.POST("/v1/jobs/batch", { body: { items } });
  const names: string[] = [];
  const query = { tag, limit: 2 };
  for await (const item of trigrun.items("/v1/jobs", { params: { query } })) names.push(item.name);
  assert.deepEqual(names.sort(), ["a", "b", "c", "d", "e"]);
  const sizes: number[] = [];
  for await (const page of trigrun.pages("/v1/jobs", { params: { query } })) sizes.push(page.data.length);
  assert.ok(sizes.length >= 3 && Math.max(...sizes) <= 2, `${sizes}`);
});

test("a list of values is a filter", async () => {
  const { data } = await trigrun.POST("/v1/jobs", { body: job("filters") });
  const execution = await trigrun.runAndWait(data.id);
  const query = { job_id: data.id, status: ["succeeded" as const, "failed" as const] };
  const found: string[] = [];
  for await (const one of trigrun.items("/v1/executions", { params: { query } })) found.push(one.id);
  assert.deepEqual(found, [execution.id]);
});

test("a problem has the pointers of all fields", async () => {
  const wrong = trigrun.POST("/v1/jobs", { body: { ...job(""), schedule: { cron: "61 * * * *" } } });
  await assert.rejects(wrong, (problem) => {
    assert.ok(problem instanceof Problem);
    assert.equal(problem.status, 422);
    assert.equal(problem.code, "validation_failed");
    assert.deepEqual(problem.errors.map((error) => error.pointer).sort(), ["/name", "/schedule/cron"]);
    assert.match(problem.message, /\n {2}\/schedule\/cron: \w/);
    assert.ok(problem.requestId);
    return true;
  });
  const absent = trigrun.GET("/v1/jobs/{id}", { params: { path: { id: "no-such-job" } } });
  await assert.rejects(absent, { name: "Problem", code: "not_found", message: /no job with this id/ });
});

test("the compiler finds fields and paths that do not exist", () => {
  // Not called: each line must be an error of the compiler.
  const lines = () => [
    // @ts-expect-error methd
    trigrun.POST("/v1/jobs", { body: { name: "x", request: { url: API, methd: "GET" } } }),
    // @ts-expect-error no such path
    trigrun.GET("/v1/job"),
    // @ts-expect-error the id is missing
    trigrun.GET("/v1/jobs/{id}"),
    // @ts-expect-error not a list
    trigrun.items("/v1/me"),
  ];
  assert.ok(lines);
});

test("waiting ends after its time, and the execution goes on", async () => {
  const held: (() => void)[] = [];
  const target = await serve((_, response) => void held.push(() => response.end()));
  const { data } = await trigrun.POST("/v1/jobs", { body: job("slow", target) });
  let id = "";
  // The time of a request does not include the time that the API waits.
  const impatient = new TrigRun({ timeoutSeconds: 1, retries: 0 });
  await assert.rejects(impatient.runAndWait(data.id, { timeoutSeconds: 2.5 }), (error) => {
    assert.ok(error instanceof WaitTimeout);
    assert.equal(error.execution.finished_at, null);
    id = error.execution.id;
    return true;
  });
  const abort = AbortSignal.timeout(100);
  await assert.rejects(trigrun.wait(id, { signal: abort }), { name: "TimeoutError" });
  const ended = trigrun.wait(id);
  held.forEach((release) => release());
  assert.equal((await ended).status, "succeeded");
});

test("a lost response repeats the request, and it has one effect", async () => {
  const { url, seen } = await proxy((count) => (count === 0 ? "cut" : "pass"));
  const tag = `${TAG}-cut`;
  await new TrigRun({ url }).POST("/v1/jobs", { body: { ...job("cut"), tags: [tag] } });
  assert.deepEqual(seen, ["POST /v1/jobs", "POST /v1/jobs"]);
  const { data } = await trigrun.GET("/v1/jobs", { params: { query: { tag } } });
  assert.equal(data.data.length, 1);
});

test("a request that could have two effects is not repeated", async () => {
  const { url, seen } = await proxy(() => "cut");
  const created = new TrigRun({ url }).POST("/v1/secrets", { body: { name: `${TAG}-lost`, value: "12345678" } });
  await assert.rejects(created, (error) => error instanceof Unreachable && /^No response from http.*POST \/v1\/secrets: /.test(error.message));
  assert.equal(seen.length, 1);
});

test("Retry-After is respected", async () => {
  const busy = (seconds: string) => (response: import("node:http").ServerResponse) =>
    void response.writeHead(503, { "Retry-After": seconds, "Content-Type": "application/problem+json" }).end('{"code": "busy", "detail": "Busy."}');
  const soon = await proxy((count) => (count < 2 ? busy("0") : "pass"));
  await new TrigRun({ url: soon.url }).GET("/v1/me");
  assert.equal(soon.seen.length, 3);
  const later = await proxy(() => busy("3600"));
  await assert.rejects(new TrigRun({ url: later.url }).GET("/v1/me"), { code: "busy" });
  assert.equal(later.seen.length, 1);
  const never = await proxy(() => busy("0"));
  await assert.rejects(new TrigRun({ url: never.url, retries: 1 }).GET("/v1/me"), { code: "busy" });
  assert.equal(never.seen.length, 2);
});

test("a response of another server is told from one of TrigRun", async () => {
  const other = await serve((_, response) => response.writeHead(404, { "Content-Type": "text/html" }).end("<html>"));
  await assert.rejects(new TrigRun({ url: other }).GET("/v1/me"), { code: "unexpected_response", message: /Check that url/ });
  const redirect = await serve((_, response) => response.writeHead(308, { Location: "https://example.com/" }).end());
  await assert.rejects(new TrigRun({ url: redirect }).GET("/v1/me"), { status: 308, message: /redirects to https:\/\/example.com\// });
});

test("a client without a server or a token says what is missing", () => {
  const variables = ["TRIGRUN_URL", "TRIGRUN_TOKEN"] as const;
  for (const variable of variables) {
    const value = process.env[variable];
    delete process.env[variable];
    assert.throws(() => new TrigRun(), (error) => error instanceof TrigRunError && error.message.includes(variable));
    process.env[variable] = value;
  }
  assert.throws(() => new TrigRun({ url: "localhost:8080" }), /must begin with http/);
});
