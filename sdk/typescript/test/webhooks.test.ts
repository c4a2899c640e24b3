import assert from "node:assert/strict";
import type { IncomingHttpHeaders } from "node:http";
import { test } from "node:test";
import { TrigRun } from "@trigrun/sdk";
import { verify, WebhookVerificationError, type WebhookEvent } from "@trigrun/sdk/webhooks";
import { read, serve } from "./servers.js";

const trigrun = new TrigRun();
const { data: signing } = await trigrun.GET("/v1/workspace/signing-secret");

interface Received {
  headers: IncomingHttpHeaders;
  body: Buffer;
}

/** A target, and what it has received. */
async function target(): Promise<{ url: string; received: Received[] }> {
  const received: Received[] = [];
  const url = await serve(async (request, response) => {
    received.push({ headers: request.headers, body: await read(request) });
    response.end();
  });
  return { url, received };
}

/** Runs a request once, and returns the execution's id and what the target received. */
async function run(method: "POST" | "GET", body?: unknown): Promise<{ id: string; request: Received }> {
  const { url, received } = await target();
  const { data } = await trigrun.POST("/v1/jobs", {
    body: { name: "signed", kind: "one_time", request: { url, method, ...(body !== undefined && { body }) } },
  });
  const execution = await trigrun.wait(data.execution_id!);
  assert.equal(execution.status, "succeeded");
  return { id: execution.id, request: received[0]! };
}

test("requests of TrigRun are verified, whatever their body", async () => {
  for (const [method, body] of [["POST", { hello: "wörld" }], ["POST", "not JSON: ☃"], ["GET", undefined]] as const) {
    const { id, request } = await run(method, body);
    const verified = verify(signing.secret, request.headers, request.body);
    assert.equal(verified.id, id);
    assert.ok(Math.abs(Date.now() - verified.timestamp.getTime()) < 300_000);
    // As the Fetch API has them, and with the secrets of a rotation.
    const headers = new Headers(request.headers as Record<string, string>);
    assert.equal(verify(["whsec_AAAA", signing.secret], headers, new Uint8Array(request.body)).id, id);
    assert.equal(verify(signing.secret, headers, request.body.toString()).id, id);
  }
});

test("what was changed, or signed with another secret, is refused", async () => {
  const { request } = await run("POST", { amount: 1 });
  const later = { ...request.headers, "webhook-timestamp": String(Number(request.headers["webhook-timestamp"]) + 1) };
  const old = { ...request.headers, "webhook-timestamp": "1700000000" };
  const unsigned = { ...request.headers, "webhook-signature": undefined };
  const refused: [string, IncomingHttpHeaders, string | Uint8Array][] = [
    [signing.secret, request.headers, '{"amount":2}'],
    [signing.secret, request.headers, Buffer.from([0xff])],
    [signing.secret, later, request.body],
    [signing.secret, old, request.body],
    [signing.secret, unsigned, request.body],
    [signing.secret, { ...request.headers, "webhook-id": "exe_other" }, request.body],
    [signing.secret, { ...request.headers, "webhook-signature": "v1,☃ v2,x nonsense" }, request.body],
    ["whsec_AAAA", request.headers, request.body],
  ];
  for (const [secret, headers, body] of refused) assert.throws(() => verify(secret, headers, body), WebhookVerificationError);
  assert.throws(() => verify([], request.headers, request.body), /signing secret is missing/);
});

test("notifications are verified, and have a type", async () => {
  const { url, received } = await target();
  const { data: channel } = await trigrun.POST("/v1/notification-channels", {
    body: { name: `typescript-${process.pid}`, type: "webhook", config: { url } },
  });
  const { data: notification } = await trigrun.POST("/v1/notification-channels/{id}/test", { params: { path: { id: channel.id } } });
  const deadline = Date.now() + 60_000;
  while (received.length === 0) {
    assert.ok(Date.now() < deadline, "the notification does not arrive");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const { headers, body } = received[0]!;
  assert.equal(verify(signing.secret, headers, body).id, notification.id);
  const event = JSON.parse(body.toString()) as WebhookEvent;
  assert.equal(event.type, "channel.test");
  assert.equal(event.data.channel_id, channel.id);
});
