/** One action on many jobs: by their ids, or by the filter that they match. */

import { type QueryClient, useMutation, useQueryClient } from '@tanstack/react-query';
import type { components } from '../../schema';
import { api, call, idempotencyKey } from '../client';
import { fetchJobPage, type Job, type JobFilter, refreshJobs } from './jobs';

type Schemas = components['schemas'];
export type JobsBulkInput = Schemas['JobsBulkInput'];
type Result = Schemas['JobsBulkResult'];
type Undo = Schemas['JobsBulkUndo'];

/** Ids, or a filter (an empty one: all jobs). */
export type JobsTarget = { ids: readonly string[] } | { filter: JobFilter };
export type JobsAction = Pick<JobsBulkInput, 'action' | 'tags' | 'patch'>;

export interface JobsOutcome {
  action: JobsAction['action'];
  done: number;
  failed: Schemas['JobsBulkFailure'][];
  /** Bodies that take back what was done, or none if that is not possible. */
  undo: Undo[];
  /** The plan allows no further runs for so long. */
  retryAfter: number | null;
  jobs: Schemas['JobsBulkJob'][];
}

const MAX_IDS = 1_000;

export interface BulkRequest {
  target: JobsTarget;
  action: JobsAction;
  onProgress?: (done: number) => void;
}

/** Does one thing to many jobs, call after call, until none is left. */
export function useJobsBulk() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (request: BulkRequest) => perform(request),
    onSettled: () => refreshJobs(client),
  });
}

async function perform({ target, action, onProgress }: BulkRequest): Promise<JobsOutcome> {
  const outcome: JobsOutcome = {
    action: action.action,
    done: 0,
    failed: [],
    undo: [],
    retryAfter: null,
    jobs: [],
  };
  const take = (result: Result) => {
    outcome.done += result.done;
    outcome.failed.push(...result.failed);
    outcome.jobs.push(...result.jobs);
    if (result.undo) outcome.undo.push(result.undo);
    outcome.retryAfter = result.retry_after_seconds;
    onProgress?.(outcome.done + outcome.failed.length);
  };
  if ('filter' in target && Object.keys(target.filter).length > 0) {
    await byFilter(target.filter, action, take);
  } else {
    const ids = 'ids' in target ? target.ids : await allIds();
    await byIds(ids, action, take);
  }
  return outcome;
}

async function byFilter(
  filter: JobFilter,
  action: JobsAction,
  take: (result: Result) => void,
): Promise<void> {
  let cursor: string | null = null;
  do {
    const result: Result = await send({ ...action, filter, cursor });
    take(result);
    cursor = result.retry_after_seconds === null ? result.next_cursor : null;
  } while (cursor);
}

// A call ends after some seconds: what it did not reach is asked for again.
async function byIds(
  ids: readonly string[],
  action: JobsAction,
  take: (result: Result) => void,
): Promise<void> {
  let left = [...ids];
  while (left.length > 0) {
    const part = left.slice(0, MAX_IDS);
    const result = await send({ ...action, ids: part });
    take(result);
    const reached = new Set([...result.jobs, ...result.failed].map((it) => it.id));
    left = left.filter((id) => !reached.has(id));
    if (reached.size === 0 || result.retry_after_seconds !== null) return;
  }
}

/** The ids of all jobs: a bulk call needs ids or a filter. */
async function allIds(): Promise<string[]> {
  const ids: string[] = [];
  let cursor: string | undefined;
  do {
    const page: Schemas['JobList'] = await fetchJobPage({}, '-created_at', cursor);
    ids.push(...page.data.map((job: Job) => job.id));
    cursor = page.next_cursor ?? undefined;
  } while (cursor);
  return ids;
}

function send(body: JobsBulkInput): Promise<Result> {
  const header = { 'Idempotency-Key': idempotencyKey() };
  return call(api.POST('/v1/jobs/bulk', { params: { header }, body }));
}

/** Takes back what a bulk action changed; jobs that were changed since stay as they are. */
export async function undoBulk(client: QueryClient, undo: readonly Undo[]): Promise<void> {
  for (const body of undo) await send(body as JobsBulkInput);
  await refreshJobs(client);
}
