/** Lists of runs, which the API calls executions, and what can be done with many of them. */

import {
  type InfiniteData,
  type QueryClient,
  useInfiniteQuery,
  useMutation,
  useQuery,
  useQueryClient,
} from '@tanstack/react-query';
import type { components, operations } from '../../schema';
import { api, call, idempotencyKey } from '../client';

type Schemas = components['schemas'];
export type Run = Schemas['Execution'];
type RunPage = Schemas['ExecutionList'];
export type RunPages = InfiniteData<RunPage, string | undefined>;
type ListQuery = NonNullable<operations['list_executions']['parameters']['query']>;
/** Filters of the list, as the API names them. */
export type RunFilter = Omit<ListQuery, 'limit' | 'cursor'>;

export const RUNS_PAGE = 100;

/** The key of a list, for those who change what is cached. */
export function runListKey(filter: RunFilter) {
  return ['executions', 'list', filter] as const;
}

export function fetchRunPage(filter: RunFilter, cursor?: string, signal?: AbortSignal): Promise<RunPage> {
  const query = { ...filter, cursor, limit: RUNS_PAGE };
  return call(api.GET('/v1/executions', { params: { query }, signal: signal ?? null }));
}

// A page reads so many runs at most: of a rare kind, the first pages are short or empty.
const MIN_ROWS = 20;
const MAX_PAGES_AT_ONCE = 5;

async function fetchSomeRuns(
  filter: RunFilter,
  cursor: string | undefined,
  signal: AbortSignal,
): Promise<RunPage> {
  const page = await fetchRunPage(filter, cursor, signal);
  for (
    let pages = 1;
    page.data.length < MIN_ROWS && page.next_cursor && pages < MAX_PAGES_AT_ONCE;
    pages += 1
  ) {
    const next = await fetchRunPage(filter, page.next_cursor, signal);
    page.data = [...page.data, ...next.data];
    page.next_cursor = next.next_cursor;
    page.has_more = next.has_more;
  }
  return page;
}

/** A list, newest first, a page after the other. */
export function useRuns(filter: RunFilter, options: { enabled?: boolean } = {}) {
  return useInfiniteQuery({
    queryKey: runListKey(filter),
    queryFn: ({ pageParam, signal }) => fetchSomeRuns(filter, pageParam, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    // What is new is merged: the rows that are shown do not move.
    staleTime: Number.POSITIVE_INFINITY,
    ...options,
  });
}

/** The newest runs, such as on the page of a host. */
export function useNewestRuns(filter: RunFilter, limit: number) {
  return useQuery({
    queryKey: ['executions', 'newest', filter, limit],
    queryFn: ({ signal }) =>
      call(api.GET('/v1/executions', { params: { query: { ...filter, limit } }, signal })),
    refetchInterval: 10_000,
  });
}

export interface HistogramQuery {
  from: string;
  to: string;
  step: number;
  job_id?: string;
  host?: string;
  tag?: string;
  /** Only failures of this class. */
  errorClass?: string;
}

/** How many runs were due in each bucket of a window, by result. */
export function useHistogram({ errorClass, ...query }: HistogramQuery) {
  return useQuery({
    queryKey: ['stats', 'histogram', query, errorClass],
    queryFn: async ({ signal }) => {
      const by = errorClass ? ({ by: 'error_class', limit: 250 } as const) : {};
      const stats = await call(api.GET('/v1/stats', { params: { query: { ...query, ...by } }, signal }));
      const group = errorClass ? stats.data.find((it) => it.key === errorClass) : stats.data[0];
      return { ...stats, buckets: group?.buckets ?? [] };
    },
    refetchInterval: 30_000,
    placeholderData: (before) => before,
  });
}

// Many at once ------------------------------------------------------------------------------------

export type RunsAction = Schemas['BulkAction'];
/** Ids, or a filter. */
export type RunsTarget = { ids: readonly string[] } | { filter: RunFilter };

const MAX_IDS = 1_000;
const MAX_COUNTED = 10_000;
const BEGINNING = '1970-01-01T00:00:00Z';

/** What a bulk action would do: nothing is changed. */
export interface DryRun {
  matched: number;
  /** There are more than were counted. */
  isCapped: boolean;
  sample: Run[];
}

/** How many runs an action concerns, and the first of them. */
export function useRunsDryRun(action: RunsAction, target: RunsTarget | null) {
  return useQuery({
    queryKey: ['executions', 'dry-run', action, target],
    queryFn: () => dryRun(action, target as RunsTarget),
    enabled: target !== null,
    staleTime: 0,
    gcTime: 0,
  });
}

async function dryRun(action: RunsAction, target: RunsTarget): Promise<DryRun> {
  const found: DryRun = { matched: 0, isCapped: false, sample: [] };
  for await (const result of calls({ action, dry_run: true }, target)) {
    found.matched += result.matched;
    if (found.sample.length === 0) found.sample = result.executions;
    if (result.more && found.matched >= MAX_COUNTED) return { ...found, isCapped: true };
  }
  return found;
}

export interface RunsOutcome {
  done: number;
  failed: Schemas['BulkFailure'][];
  runs: Run[];
  /** The plan allows no further replays for so long. */
  retryAfter: number | null;
}

interface RunsRequest {
  action: RunsAction;
  target: RunsTarget;
  onProgress?: (done: number) => void;
}

/** Replays or cancels many runs, call after call, until none is left. */
export function useRunsBulk() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async ({ action, target, onProgress }: RunsRequest): Promise<RunsOutcome> => {
      const outcome: RunsOutcome = { done: 0, failed: [], runs: [], retryAfter: null };
      for await (const result of calls({ action }, target)) {
        outcome.done += result.done;
        outcome.failed.push(...result.failed);
        outcome.runs.push(...result.executions);
        outcome.retryAfter = result.retry_after_seconds;
        onProgress?.(outcome.done + outcome.failed.length);
      }
      return outcome;
    },
    onSuccess: ({ runs }) => {
      keepRuns(client, runs);
      void client.invalidateQueries({ queryKey: ['executions', 'head'] });
      void client.invalidateQueries({ queryKey: ['executions', 'one'] });
    },
  });
}

/** The calls of a bulk action; it ends when none is left, or when the plan allows no more. */
async function* calls(
  action: Pick<Schemas['BulkInput'], 'action' | 'dry_run'>,
  target: RunsTarget,
): AsyncGenerator<Schemas['BulkResult']> {
  const header = action.dry_run ? {} : { 'Idempotency-Key': idempotencyKey() };
  const send = (body: Partial<Schemas['BulkInput']>): Promise<Schemas['BulkResult']> =>
    call(api.POST('/v1/executions/bulk', { params: { header }, body: { ...action, ...body } }));
  if ('filter' in target) {
    const filter = { ...target.filter, from: target.filter.from ?? BEGINNING };
    let cursor: string | null = null;
    do {
      const result: Schemas['BulkResult'] = await send({ filter, cursor });
      yield result;
      cursor = result.more && result.retry_after_seconds === null ? result.next_cursor : null;
    } while (cursor);
    return;
  }
  for (let at = 0; at < target.ids.length; at += MAX_IDS) {
    let ids = target.ids.slice(at, at + MAX_IDS);
    // A call ends after some seconds: what it did not reach is asked for again.
    while (ids.length > 0) {
      const result = await send({ ids });
      yield result;
      if (result.retry_after_seconds !== null) return;
      if (!result.more) break;
      const reached = result.done + result.failed.length;
      if (reached === 0) break;
      ids = leftOf(ids, result, action.action);
    }
  }
}

// Executions are taken oldest first, and an id begins with its time.
function leftOf(ids: readonly string[], result: Schemas['BulkResult'], action: RunsAction): string[] {
  const failed = new Set(result.failed.map((it) => it.id));
  const done = new Set(result.executions.map((it) => (action === 'replay' ? it.replay_of : it.id)));
  return ids.filter((id) => !failed.has(id) && !done.has(id));
}

/** Puts runs that the API returned where they are shown. */
export function keepRuns(client: QueryClient, runs: readonly Run[]): void {
  client.setQueriesData<RunPages>({ queryKey: ['executions', 'list'] }, (pages) => updateRuns(pages, runs));
}

/** The same rows in the same order, with newer states of runs in their places. */
export function updateRuns(pages: RunPages | undefined, runs: readonly Run[]): RunPages | undefined {
  if (!pages) return pages;
  const newer = new Map(runs.map((run) => [run.id, run]));
  const isStale = (run: Run) => {
    const found = newer.get(run.id);
    return found !== undefined && JSON.stringify(found) !== JSON.stringify(run);
  };
  if (!pages.pages.some((page) => page.data.some(isStale))) return pages;
  return {
    ...pages,
    pages: pages.pages.map((page) => ({ ...page, data: page.data.map((run) => newer.get(run.id) ?? run) })),
  };
}
