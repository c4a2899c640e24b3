import { createHttp, type Options } from "./http.js";
import type { Arguments, Init, Item, ListPath, Method, Page } from "./methods.js";
import { WaitTimeout } from "./problem.js";
import { sleep } from "./retry.js";
import type { components } from "./schema.js";

type Execution = components["schemas"]["Execution"];

/** How long the API holds a request that waits for the end of an execution. */
const MAX_WAIT_SECONDS = 25;

export interface WaitOptions {
  /** How long to wait. Default: 300. */
  timeoutSeconds?: number;
  signal?: AbortSignal;
}

export interface RunOptions extends WaitOptions {
  /** Two calls with the same key run the job once. Default: a new key for each call. */
  idempotencyKey?: string;
}

/** A client of the API. Each method takes a path of the API, returns `data` and `response`, and throws a `Problem`. */
export class TrigRun {
  readonly GET: Method<"get">;
  readonly PUT: Method<"put">;
  readonly POST: Method<"post">;
  readonly PATCH: Method<"patch">;
  readonly DELETE: Method<"delete">;

  constructor(options: Options = {}) {
    const http = createHttp(options);
    // openapi-fetch declares that a method may return an error. `createHttp` throws errors.
    this.GET = http.GET as unknown as Method<"get">;
    this.PUT = http.PUT as unknown as Method<"put">;
    this.POST = http.POST as unknown as Method<"post">;
    this.PATCH = http.PATCH as unknown as Method<"patch">;
    this.DELETE = http.DELETE as unknown as Method<"delete">;
  }

  /** Reads a list page by page. A page may be empty although others follow. */
  async *pages<Path extends ListPath>(path: Path, ...init: Arguments<Init<Path, "get">>): AsyncGenerator<Page<Item<Path>>> {
    const given = init[0] as { params?: { query?: { cursor?: string } } } | undefined;
    const get = this.GET as (path: string, init: unknown) => Promise<{ data: Page<Item<Path>> }>;
    let cursor: string | null | undefined = given?.params?.query?.cursor;
    do {
      const query = { ...given?.params?.query, ...(cursor && { cursor }) };
      const { data: page } = await get(path, { ...given, params: { ...given?.params, query } });
      yield page;
      cursor = page.next_cursor;
    } while (cursor);
  }

  /** Reads the items of a list, with as many requests as that needs. */
  async *items<Path extends ListPath>(path: Path, ...init: Arguments<Init<Path, "get">>): AsyncGenerator<Item<Path>> {
    for await (const page of this.pages(path, ...init)) yield* page.data;
  }

  /** Waits until an execution has ended, and returns it. Throws `WaitTimeout` if it has not ended in time. */
  async wait(executionId: string, options: WaitOptions = {}): Promise<Execution> {
    return untilEnded(options, async (wait) => this.#execution(executionId, wait, options));
  }

  /** Runs a job now, by its id or key, and waits until the execution has ended. Its status says how. */
  async runAndWait(job: string, options: RunOptions = {}): Promise<Execution> {
    const header = { "Idempotency-Key": options.idempotencyKey ?? crypto.randomUUID() };
    let id: string | undefined;
    return untilEnded(options, async (wait) => {
      if (id) return this.#execution(id, wait, options);
      const params = { path: { id: job }, query: { wait }, header };
      const { data } = await this.POST("/v1/jobs/{id}/run-now", { params, signal: options.signal ?? null });
      id = data.id;
      return data;
    });
  }

  async #execution(id: string, wait: number, options: WaitOptions): Promise<Execution> {
    const params = { path: { id }, query: { wait } };
    return (await this.GET("/v1/executions/{id}", { params, signal: options.signal ?? null })).data;
  }
}

/** Asks until the execution has ended. `ask` waits for so many seconds at most. */
async function untilEnded(options: WaitOptions, ask: (wait: number) => Promise<Execution>): Promise<Execution> {
  const timeout = options.timeoutSeconds ?? 300;
  const deadline = performance.now() + timeout * 1000;
  const secondsLeft = () => Math.max(0, (deadline - performance.now()) / 1000);
  for (;;) {
    const asked = performance.now();
    const execution = await ask(Math.min(MAX_WAIT_SECONDS, Math.floor(secondsLeft())));
    if (execution.finished_at !== null) return execution;
    if (secondsLeft() === 0) throw new WaitTimeout(execution, timeout);
    // A busy server responds at once.
    if (performance.now() - asked < 1000) await sleep(Math.min(1, secondsLeft()), options.signal);
  }
}
