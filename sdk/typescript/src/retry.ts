import { Unreachable } from "./problem.js";

/** A longer Retry-After than this is for the caller to decide about: the response is returned. */
const MAX_RETRY_AFTER_SECONDS = 60;
const MAX_PAUSE_SECONDS = 8;

export interface SendOptions {
  fetch: (request: Request) => Promise<Response>;
  /** How often a request is sent again. */
  retries: number;
  /** For each attempt, the response included. */
  timeoutSeconds: number;
  /** Whether the request has its effect once, however often it is sent. */
  isRepeatable: boolean;
}

/** Sends a request, and again after failures that another attempt can cure. */
export async function send(request: Request, options: SendOptions): Promise<Response> {
  for (let attempt = 0; ; attempt++) {
    const isLast = attempt >= options.retries;
    let pause = pauseSeconds(attempt);
    try {
      const signal = AbortSignal.any([request.signal, AbortSignal.timeout(options.timeoutSeconds * 1000)]);
      const response = await options.fetch(new Request(isLast ? request : request.clone(), { signal }));
      if (isLast || !isRetryable(response.status, options.isRepeatable)) return response;
      const retryAfter = retryAfterSeconds(response.headers);
      if (retryAfter > MAX_RETRY_AFTER_SECONDS) return response;
      pause = Math.max(pause, retryAfter);
      await response.body?.cancel();
    } catch (error) {
      if (request.signal.aborted) throw request.signal.reason;
      if (isLast || !options.isRepeatable) throw new Unreachable(describe(request, error), { cause: error });
    }
    await sleep(pause, request.signal);
  }
}

/** After 429 and 408, nothing has happened. After the others, the request may have had its effect. */
function isRetryable(status: number, isRepeatable: boolean): boolean {
  return status === 429 || status === 408 || (isRepeatable && [502, 503, 504].includes(status));
}

/** A quarter of a second, doubled each time, plus or minus a random quarter, so that clients do not return together. */
function pauseSeconds(attempt: number): number {
  return Math.min(0.25 * 2 ** attempt, MAX_PAUSE_SECONDS) * (0.75 + Math.random() / 2);
}

function retryAfterSeconds(headers: Headers): number {
  const seconds = Number(headers.get("Retry-After"));
  return Number.isFinite(seconds) ? seconds : 0;
}

function describe(request: Request, error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const reason = cause instanceof Error ? cause.message || cause.name : String(cause);
  return `No response from ${new URL(request.url).origin} to ${request.method} ${new URL(request.url).pathname}: ${reason}`;
}

/** Waits, unless the signal aborts. */
export function sleep(seconds: number, signal?: AbortSignal | null): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, seconds * 1000);
    if (signal?.aborted) abort();
    else signal?.addEventListener("abort", abort, { once: true });
  });
}
