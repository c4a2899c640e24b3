/** What the owner of a job decides, as the API names it. Plain data: forms, differences and writers work on it. */

import type { components } from '../../schema';

type Schemas = components['schemas'];
export type Job = Schemas['Job'];
export type JobInput = Schemas['JobInput'];
export type JobKind = Schemas['JobKind'];

/** A number, or what was typed instead of one: the API says what is wrong with it. */
export type Numeric = number | string;
export type Status = number | string;

export interface Schedule {
  cron?: string;
  timezone?: string;
  every_n_minutes?: Numeric;
  run_at?: string;
}

export interface Request {
  method: string;
  url: string;
  headers: Record<string, string>;
  body?: unknown;
  success_statuses: Status[];
  timeout_seconds: Numeric;
}

export interface Definition {
  name: string;
  key: string | null;
  tags: string[];
  kind: string;
  schedule: Schedule | null;
  request: Request;
  retry_policy: { max_attempts: Numeric; retry_on_statuses: Status[] };
  overlap_policy: string;
  concurrency_limit: Numeric | null;
  misfire_policy: string;
  catch_up_limit: Numeric;
  delivery: string;
  state: string;
}

/** The defaults of the API, for new jobs and for what writers leave out. */
export const DEFAULTS: Definition = {
  name: '',
  key: null,
  tags: [],
  kind: 'cron',
  schedule: null,
  request: {
    method: 'GET',
    url: '',
    headers: {},
    success_statuses: [200, 201, 202, 204],
    timeout_seconds: 30,
  },
  retry_policy: { max_attempts: 3, retry_on_statuses: [429, 500, 502, 503, 504] },
  overlap_policy: 'queue',
  concurrency_limit: null,
  misfire_policy: 'fire_once',
  catch_up_limit: 10,
  delivery: 'at_least_once',
  state: 'active',
};

/** A job, or the body of one, with all defaults filled in. */
export function definitionOf(job: Job | JobInput): Definition {
  const { request, retry_policy: retry } = job;
  const schedule = (job.schedule ?? null) as Schedule | null;
  return {
    name: job.name,
    key: job.key ?? null,
    tags: [...(job.tags ?? [])],
    kind: job.kind ?? kindOf(schedule),
    schedule,
    request: {
      method: request.method ?? DEFAULTS.request.method,
      url: request.url,
      headers: { ...request.headers },
      ...(request.body !== undefined && request.body !== null && { body: request.body }),
      success_statuses: [...(request.success_statuses ?? DEFAULTS.request.success_statuses)],
      timeout_seconds: request.timeout_seconds ?? DEFAULTS.request.timeout_seconds,
    },
    retry_policy: {
      max_attempts: retry?.max_attempts ?? DEFAULTS.retry_policy.max_attempts,
      retry_on_statuses: [...(retry?.retry_on_statuses ?? DEFAULTS.retry_policy.retry_on_statuses)],
    },
    overlap_policy: job.overlap_policy ?? DEFAULTS.overlap_policy,
    concurrency_limit: job.concurrency_limit ?? null,
    misfire_policy: job.misfire_policy ?? DEFAULTS.misfire_policy,
    catch_up_limit: job.catch_up_limit ?? DEFAULTS.catch_up_limit,
    delivery: job.delivery ?? DEFAULTS.delivery,
    state: job.state ?? DEFAULTS.state,
  };
}

function kindOf(schedule: Schedule | null): JobKind {
  if (schedule?.every_n_minutes !== undefined) return 'recurring';
  if (schedule?.run_at !== undefined) return 'scheduled';
  return schedule ? 'cron' : 'one_time';
}

/** The body of `POST /v1/jobs`: what is at its default is left out. */
export function inputOf(definition: Definition): JobInput {
  const input: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(definition)) {
    const standard = DEFAULTS[name as keyof Definition];
    if (name === 'kind' || name === 'name') input[name] = value;
    else if (name === 'request') input[name] = requestInputOf(definition.request);
    else if (name === 'retry_policy') addRetryPolicy(input, definition);
    else if (value !== null && !isSame(value, standard)) input[name] = value;
  }
  return input as unknown as JobInput;
}

/** The request alone, as `POST /v1/tests` takes it too. */
export function requestInputOf(request: Request): Schemas['RequestInput'] {
  const input: Record<string, unknown> = { url: request.url };
  if (request.method !== DEFAULTS.request.method) input.method = request.method;
  if (Object.keys(request.headers).length > 0) input.headers = request.headers;
  if (request.body !== undefined) input.body = request.body;
  for (const name of ['success_statuses', 'timeout_seconds'] as const) {
    if (!isSame(request[name], DEFAULTS.request[name])) input[name] = request[name];
  }
  return input as unknown as Schemas['RequestInput'];
}

function addRetryPolicy(input: Record<string, unknown>, { retry_policy: policy }: Definition): void {
  const changed = Object.entries(policy).filter(
    ([name, value]) => !isSame(value, DEFAULTS.retry_policy[name as keyof typeof policy]),
  );
  if (changed.length > 0) input.retry_policy = Object.fromEntries(changed);
}

/** Whether two values are the same JSON, in the same order. */
export function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
