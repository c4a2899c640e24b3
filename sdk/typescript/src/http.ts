import createFetchClient, { type Client } from "openapi-fetch";
import type { KeyedPath, PostPath } from "./methods.js";
import { Problem, TrigRunError } from "./problem.js";
import { send } from "./retry.js";
import type { paths } from "./schema.js";

export const VERSION = "0.1.0";

export interface Options {
  /** The address of the API. Default: the environment variable TRIGRUN_URL. */
  url?: string;
  /** An API token. Default: the environment variable TRIGRUN_TOKEN. */
  token?: string;
  /** How often a request is sent again after a failure that another attempt can cure. Default: 4. */
  retries?: number;
  /** How long an attempt may take, the response included, besides the time that it asks the API to wait. Default: 60. */
  timeoutSeconds?: number;
  /** Replaces the global `fetch`, for example to use a proxy. */
  fetch?: (request: Request) => Promise<Response>;
}

/** The operations that take an Idempotency-Key. The compiler compares this with the document. */
const KEYED: Record<KeyedPath, true> = {
  "/v1/jobs": true,
  "/v1/jobs/batch": true,
  "/v1/jobs/bulk": true,
  "/v1/jobs/import": true,
  "/v1/jobs/{id}/run-now": true,
  "/v1/executions/bulk": true,
  "/v1/executions/{id}/replay": true,
};

/** Those that need no key, because they change nothing, or nothing more the second time. */
const REPEATABLE: readonly PostPath[] = [
  "/v1/jobs/apply",
  "/v1/jobs/convert",
  "/v1/jobs/export",
  "/v1/jobs/{id}/pause",
  "/v1/jobs/{id}/resume",
  "/v1/schedules/preview",
  "/v1/forecast/spread",
];

/** A client of openapi-fetch that retries, sends idempotency keys and throws problems. */
export function createHttp(options: Options): Client<paths, "application/json"> {
  // Other runtimes than Node may have no `process`.
  const environment = globalThis.process?.env ?? {};
  const url = options.url ?? environment["TRIGRUN_URL"];
  const token = options.token ?? environment["TRIGRUN_TOKEN"];
  if (!url) throw new TrigRunError("The address of the API is missing. Pass url, or set TRIGRUN_URL.");
  if (!/^https?:\/\//.test(url)) throw new TrigRunError(`The address of the API must begin with http:// or https://: ${url}`);
  if (!token) throw new TrigRunError("The API token is missing. Pass token, or set TRIGRUN_TOKEN.");
  const repeatable = new WeakSet<Request>();
  const http = createFetchClient<paths, "application/json">({
    baseUrl: url,
    headers: { Authorization: `Bearer ${token}`, "User-Agent": `trigrun-typescript/${VERSION}` },
    // A list is sent as the API reads it, separated by commas.
    querySerializer: { array: { style: "form", explode: false } },
    // The API does not redirect. To follow would turn a POST into a GET.
    redirect: "manual",
    fetch: (request) =>
      send(request, {
        fetch: options.fetch ?? globalThis.fetch,
        retries: options.retries ?? 4,
        timeoutSeconds: (options.timeoutSeconds ?? 60) + waitOf(request),
        isRepeatable: repeatable.has(request),
      }),
  });
  http.use({
    onRequest({ request, schemaPath }) {
      const takesKey = request.method === "POST" && schemaPath in KEYED;
      if (takesKey && !request.headers.has("Idempotency-Key")) request.headers.set("Idempotency-Key", crypto.randomUUID());
      if (request.method !== "POST" || takesKey || (REPEATABLE as readonly string[]).includes(schemaPath)) repeatable.add(request);
    },
    async onResponse({ response }) {
      if (!response.ok) throw await Problem.of(response);
    },
  });
  return http;
}

/** How long the request asks the API to wait. */
function waitOf(request: Request): number {
  return Number(new URL(request.url).searchParams.get("wait")) || 0;
}
