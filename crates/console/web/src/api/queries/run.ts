/** One run: its attempts, the request as it was sent, what is usual, who was notified, and its neighbours. */

import { type QueryClient, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';
import type { components } from '../../schema';
import { now } from '../../time';
import { api, call, idempotencyKey } from '../client';
import { useStream } from '../stream';
import { keepRuns, type Run } from './executions';

type Schemas = components['schemas'];
export type Attempt = Schemas['Attempt'];
export type SentRequest = Schemas['SentRequest'];
export type Baseline = Schemas['Baseline'];

const WAIT_S = 25;
const POLL_MS = 1_000;
const ENDED = ['succeeded', 'failed', 'cancelled', 'skipped'];

export function hasEnded(run: { status: string }): boolean {
  return ENDED.includes(run.status);
}

const keyOf = (id: string) => ['executions', 'one', id] as const;

/** A run with its attempts; it is followed until it has ended. */
export function useRun(id: string) {
  const client = useQueryClient();
  const query = useQuery({
    queryKey: keyOf(id),
    queryFn: ({ signal }) => call(api.GET('/v1/executions/{id}', { params: { path: { id } }, signal })),
    // Each new attempt is a change that no waiting request reports.
    refetchInterval: ({ state }) => (state.data && !hasEnded(state.data) ? POLL_MS : false),
  });
  const isOpen = query.data !== undefined && !hasEnded(query.data);
  useEffect(() => {
    if (!isOpen) return;
    const stopped = new AbortController();
    void waitForEnd(client, id, stopped.signal);
    return () => stopped.abort();
  }, [client, id, isOpen]);
  useStream((event) => {
    if (event.type === 'execution' && event.execution.id === id && isOpen) {
      void client.invalidateQueries({ queryKey: keyOf(id) });
    }
  });
  return query;
}

/** Takes the end of a run as soon as the server knows it. */
async function waitForEnd(client: QueryClient, id: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const began = Date.now();
    try {
      const params = { path: { id }, query: { wait: WAIT_S } };
      const run = await call(api.GET('/v1/executions/{id}', { params, signal }));
      if (hasEnded(run)) {
        client.setQueryData(keyOf(id), run);
        return;
      }
    } catch {
      // The query that polls beside this says what is wrong.
    }
    // Of many requests that wait, the server answers some at once.
    const rest = POLL_MS - (Date.now() - began);
    if (rest > 0 && !signal.aborted) await new Promise((resolve) => setTimeout(resolve, rest));
  }
}

/** The request of an attempt, without values of secrets. */
export function useSentRequest(id: string, attempt: number | undefined) {
  return useQuery({
    queryKey: ['executions', 'request', id, attempt],
    queryFn: ({ signal }) =>
      call(
        api.GET('/v1/executions/{id}/request', {
          params: { path: { id }, query: attempt === undefined ? {} : { attempt } },
          signal,
        }),
      ),
    enabled: attempt !== undefined,
    staleTime: Number.POSITIVE_INFINITY,
  });
}

/** How long the phases took in the last runs that succeeded before this one. */
export function useBaseline(run: Run, runs: number) {
  return useQuery({
    queryKey: ['jobs', 'baseline', run.job_id, run.id, runs],
    queryFn: ({ signal }) =>
      call(
        api.GET('/v1/jobs/{id}/baseline', {
          params: { path: { id: run.job_id }, query: { before: run.id, runs } },
          signal,
        }),
      ),
    staleTime: Number.POSITIVE_INFINITY,
  });
}

/** The notifications about a run. */
export function useRunNotifications(id: string, isOpen: boolean) {
  return useQuery({
    queryKey: ['notifications', 'of-run', id],
    queryFn: ({ signal }) =>
      call(api.GET('/v1/notifications', { params: { query: { execution_id: id, limit: 50 } }, signal })),
    refetchInterval: isOpen ? 5_000 : 30_000,
  });
}

export function useChannelNames(enabled: boolean) {
  return useQuery({
    queryKey: ['notification-channels', 'names'],
    queryFn: async ({ signal }) => {
      const list = await call(
        api.GET('/v1/notification-channels', { params: { query: { limit: 250 } }, signal }),
      );
      return new Map(list.data.map((channel) => [channel.id, channel.name]));
    },
    enabled,
    staleTime: 60_000,
  });
}

/** When the job notifies. */
export function useJobRules(jobId: string, enabled: boolean) {
  return useQuery({
    queryKey: ['jobs', 'rules', jobId],
    queryFn: ({ signal }) =>
      call(api.GET('/v1/jobs/{id}/notification-rules', { params: { path: { id: jobId } }, signal })),
    enabled,
    staleTime: 60_000,
  });
}

// Neighbours --------------------------------------------------------------------------------------

const OLDER = 31;
const NEWER = 8;
const MAX_SEARCHES = 6;
const PAGE = 100;

/** The runs of the job around one, oldest first. */
export function useNeighbours(run: Run, isOpen: boolean) {
  return useQuery({
    queryKey: ['executions', 'neighbours', run.id],
    queryFn: ({ signal }) => neighbours(run, signal),
    // The run itself is followed more closely than its neighbours.
    select: (runs) => runs.map((it) => (it.id === run.id ? run : it)),
    refetchInterval: isOpen ? 10_000 : 60_000,
  });
}

async function neighbours(run: Run, signal: AbortSignal): Promise<Run[]> {
  const at = Date.parse(run.scheduled_for);
  const list = (query: { from?: string; to?: string; limit: number }) =>
    call(api.GET('/v1/jobs/{id}/executions', { params: { path: { id: run.job_id }, query }, signal }));
  const older = await list({ to: instant(at + 1), limit: OLDER + 1 });
  const before = older.data.filter((it) => it.id !== run.id).reverse();
  const [oldest] = before;
  const each = oldest ? (at - Date.parse(oldest.scheduled_for)) / before.length : 60_000;
  // A list begins with its newest: the nearest are found in a window that is neither too long nor too short.
  let span = Math.max(1_000, each * NEWER * 2);
  let after: Run[] = [];
  for (let search = 0; search < MAX_SEARCHES; search += 1) {
    const page = await list({ from: instant(at + 1), to: instant(at + span), limit: PAGE });
    after = page.data;
    if (!page.has_more && (after.length >= NEWER || at + span >= now())) break;
    span = page.has_more ? span / 4 : span * 8;
  }
  return [...before.slice(-OLDER), run, ...after.reverse().slice(0, NEWER)];
}

function instant(ms: number): string {
  return new Date(ms).toISOString();
}

// Actions -----------------------------------------------------------------------------------------

/** Replays a run: with a key for each press, so that a request that is repeated makes one run. */
export function useReplayRun() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (id: string) =>
      call(
        api.POST('/v1/executions/{id}/replay', {
          params: { path: { id }, header: { 'Idempotency-Key': idempotencyKey() } },
        }),
      ),
    onSuccess: (run) => {
      client.setQueryData(keyOf(run.id), { ...run, attempts: run.attempts ?? [] });
      void client.invalidateQueries({ queryKey: ['executions', 'head'] });
    },
  });
}

export function useCancelRun() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => call(api.POST('/v1/executions/{id}/cancel', { params: { path: { id } } })),
    onSuccess: (run) => {
      keepRuns(client, [run]);
      void client.invalidateQueries({ queryKey: keyOf(run.id) });
    },
  });
}
