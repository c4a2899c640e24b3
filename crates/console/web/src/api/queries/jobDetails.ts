/** What belongs to one job: its runs, versions, next fires, ledger, explanations and alerts. */

import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import type { components, operations } from '../../schema';
import { api, call, callWithResponse } from '../client';
import type { Job } from './jobs';

type Schemas = components['schemas'];
export type Run = Schemas['Execution'];
export type JobVersion = Schemas['JobVersion'];
export type Rule = Schemas['Rule'];
export type Channel = Schemas['Channel'];
type RunsQuery = NonNullable<operations['list_job_executions']['parameters']['query']>;
export type JobRunsFilter = Omit<RunsQuery, 'limit' | 'cursor'>;

const RUNS_PAGE = 100;

/** The newest runs of a job. */
export function useLastRuns(id: string, limit: number) {
  return useQuery({
    queryKey: ['jobs', 'runs', id, 'last', limit],
    queryFn: ({ signal }) =>
      call(api.GET('/v1/jobs/{id}/executions', { params: { path: { id }, query: { limit } }, signal })),
    refetchInterval: 30_000,
  });
}

/** The runs of a job, newest first, a page of 100 after the other. */
export function useJobRuns(id: string, filter: JobRunsFilter) {
  return useInfiniteQuery({
    queryKey: ['jobs', 'runs', id, 'list', filter],
    queryFn: ({ pageParam, signal }) => {
      const query = { ...filter, limit: RUNS_PAGE, cursor: pageParam };
      return call(api.GET('/v1/jobs/{id}/executions', { params: { path: { id }, query }, signal }));
    },
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    staleTime: Number.POSITIVE_INFINITY,
  });
}

export function useJobVersions(id: string) {
  return useInfiniteQuery({
    queryKey: ['jobs', 'versions', id, 'list'],
    queryFn: ({ pageParam, signal }) => {
      const params = { path: { id }, query: { limit: 50, cursor: pageParam } };
      return call(api.GET('/v1/jobs/{id}/versions', { params, signal }));
    },
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });
}

/** A version, and the job as it was. It never changes. */
export function useJobVersion(id: string, version: number | null) {
  return useQuery({
    queryKey: ['jobs', 'version', id, version],
    queryFn: ({ signal }) => {
      const params = { path: { id, version: version ?? 1 } };
      return call(api.GET('/v1/jobs/{id}/versions/{version}', { params, signal }));
    },
    enabled: version !== null,
    staleTime: Number.POSITIVE_INFINITY,
  });
}

/** The next fires of a job, as they will be if nothing changes. */
export function useNextFires(job: Job, limit: number) {
  return useQuery({
    queryKey: ['jobs', 'one', job.id, 'upcoming', limit, job.version],
    queryFn: ({ signal }) =>
      call(api.GET('/v1/upcoming', { params: { query: { job_id: job.id, limit } }, signal })),
    enabled: job.state === 'active',
    refetchInterval: 60_000,
  });
}

/** The next change of the clock that moves, drops or repeats fires of a cron schedule; null if none does. */
export function useClockChange(job: Job) {
  const { schedule } = job;
  return useQuery({
    queryKey: ['jobs', 'one', job.id, 'clock', job.version],
    queryFn: async ({ signal }) => {
      const body = { kind: 'cron', schedule, count: 1 } as Schemas['PreviewInput'];
      const preview = await call(api.POST('/v1/schedules/preview', { body, signal }));
      return preview.clock_changes.find((it) => it.note !== null) ?? null;
    },
    enabled: schedule !== null && schedule !== undefined && 'cron' in schedule,
    staleTime: 3_600_000,
  });
}

/** The ledger of a job over the last hours. */
export function useJobLedger(id: string, hours: number) {
  return useQuery({
    queryKey: ['jobs', 'ledger', id, hours],
    queryFn: ({ signal }) => {
      const from = new Date(Date.now() - hours * 3_600_000).toISOString();
      return call(api.GET('/v1/jobs/{id}/ledger', { params: { path: { id }, query: { from } }, signal }));
    },
    refetchInterval: 60_000,
  });
}

/** Why a job did or did not run at an instant. */
export function useExplanation(id: string, at: string | null) {
  return useQuery({
    queryKey: ['jobs', 'explain', id, at],
    queryFn: ({ signal }) =>
      call(api.GET('/v1/jobs/{id}/explain', { params: { path: { id }, query: { at: at ?? '' } }, signal })),
    enabled: at !== null,
  });
}

export function useRules(id: string) {
  return useQuery({
    queryKey: ['jobs', 'rules', id],
    queryFn: async ({ signal }) =>
      (await call(api.GET('/v1/jobs/{id}/notification-rules', { params: { path: { id } }, signal }))).data,
  });
}

export function useAddRule(id: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (body: Schemas['RuleInput']) =>
      call(api.POST('/v1/jobs/{id}/notification-rules', { params: { path: { id } }, body })),
    onSettled: () => client.invalidateQueries({ queryKey: ['jobs', 'rules', id] }),
  });
}

export function useRemoveRule(id: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (rule_id: string) =>
      callWithResponse(
        api.DELETE('/v1/jobs/{id}/notification-rules/{rule_id}', { params: { path: { id, rule_id } } }),
      ),
    onSettled: () => client.invalidateQueries({ queryKey: ['jobs', 'rules', id] }),
  });
}

/** The channels that a rule can notify. */
export function useChannelChoices() {
  return useQuery({
    queryKey: ['channels', 'choices'],
    queryFn: async ({ signal }) =>
      (await call(api.GET('/v1/notification-channels', { params: { query: { limit: 250 } }, signal }))).data,
  });
}

/** What was sent about a job, newest first. */
export function useJobNotifications(id: string) {
  return useQuery({
    queryKey: ['notifications', 'job', id],
    queryFn: async ({ signal }) =>
      (await call(api.GET('/v1/notifications', { params: { query: { job_id: id, limit: 20 } }, signal })))
        .data,
  });
}
