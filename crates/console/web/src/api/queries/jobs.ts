/** Jobs: lists, one job, and what can be done with them. */

import {
  type InfiniteData,
  type QueryClient,
  useInfiniteQuery,
  useMutation,
  useQuery,
  useQueryClient,
} from '@tanstack/react-query';
import type { components, operations } from '../../schema';
import { api, call, callWithResponse, idempotencyKey } from '../client';

type Schemas = components['schemas'];
export type Job = Schemas['Job'];
export type JobPatch = Schemas['JobPatch'];
type ListQuery = NonNullable<operations['list_jobs']['parameters']['query']>;
/** Filters of the list, as the API names them. */
export type JobFilter = Omit<ListQuery, 'sort' | 'limit' | 'cursor'>;
export type JobSort = NonNullable<ListQuery['sort']>;

export const JOBS_PAGE = 100;

export type JobPages = InfiniteData<Schemas['JobList'], string | undefined>;

/** The key of a list, for those who change what is cached. */
export function jobListKey(filter: JobFilter, sort: JobSort) {
  return ['jobs', 'list', filter, sort] as const;
}

export function fetchJobPage(
  filter: JobFilter,
  sort: JobSort,
  cursor: string | undefined,
  signal?: AbortSignal,
): Promise<Schemas['JobList']> {
  const query = { ...filter, sort, cursor, limit: JOBS_PAGE };
  return call(api.GET('/v1/jobs', { params: { query }, signal: signal ?? null }));
}

/** A list, a page of 100 after the other. */
export function useJobs(filter: JobFilter, sort: JobSort, options: { enabled?: boolean } = {}) {
  return useInfiniteQuery({
    queryKey: jobListKey(filter, sort),
    queryFn: ({ pageParam, signal }) => fetchJobPage(filter, sort, pageParam, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    // A list of many pages would be read again from its start: what changes in it is merged instead.
    staleTime: Number.POSITIVE_INFINITY,
    ...options,
  });
}

/** How many jobs match, in all and by state. */
export function useJobCounts(filter: JobFilter, options: { refetchInterval?: number } = {}) {
  return useQuery({
    queryKey: ['jobs', 'counts', filter],
    queryFn: ({ signal }) => call(api.GET('/v1/jobs/counts', { params: { query: filter }, signal })),
    placeholderData: (before) => before,
    ...options,
  });
}

export function fetchJob(id: string, signal?: AbortSignal): Promise<Job> {
  return call(api.GET('/v1/jobs/{id}', { params: { path: { id } }, signal: signal ?? null }));
}

/** One job, by id or key. */
export function useJob(id: string) {
  return useQuery({
    queryKey: ['jobs', 'one', id],
    queryFn: ({ signal }) => fetchJob(id, signal),
    refetchInterval: 30_000,
  });
}

/** Reads everything about jobs again: after a change whose extent is not known. */
export function refreshJobs(client: QueryClient): Promise<void> {
  return client.invalidateQueries({ queryKey: ['jobs'] });
}

/** Puts a job that the API returned where it is shown. */
export function keepJob(client: QueryClient, job: Job): void {
  client.setQueryData(['jobs', 'one', job.id], (before: Job | undefined) => ({ ...before, ...job }));
  client.setQueriesData<JobPages>({ queryKey: ['jobs', 'list'] }, (pages) => mergeJobs(pages, [job]));
}

/** The same rows in the same order, with newer jobs in their places. */
export function mergeJobs(pages: JobPages | undefined, jobs: readonly Job[]): JobPages | undefined {
  if (!pages) return pages;
  const newer = new Map(jobs.map((job) => [job.id, job]));
  const isShown = pages.pages.some((page) => page.data.some((job) => newer.has(job.id)));
  if (!isShown) return pages;
  return {
    ...pages,
    pages: pages.pages.map((page) => ({ ...page, data: page.data.map((job) => newer.get(job.id) ?? job) })),
  };
}

function useJobChange<Input>(change: (input: Input) => Promise<Job>) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: change,
    onSuccess: (job) => {
      keepJob(client, job);
      void client.invalidateQueries({ queryKey: ['jobs', 'counts'] });
      void client.invalidateQueries({ queryKey: ['jobs', 'one', job.id] });
      void client.invalidateQueries({ queryKey: ['jobs', 'versions', job.id] });
    },
  });
}

/** Why a job is paused, and when it resumes by itself. */
export interface Pause {
  id: string;
  note?: string | null;
  until?: string | null;
}

export function usePauseJob() {
  return useJobChange(({ id, ...body }: Pause) =>
    call(api.POST('/v1/jobs/{id}/pause', { params: { path: { id } }, body })),
  );
}

export function useResumeJob() {
  return useJobChange((id: string) => call(api.POST('/v1/jobs/{id}/resume', { params: { path: { id } } })));
}

/** Changes a job; with a version, only if it still has that one. */
export function usePatchJob() {
  return useJobChange(({ id, patch, version }: { id: string; patch: JobPatch; version?: number }) =>
    call(
      api.PATCH('/v1/jobs/{id}', {
        params: { path: { id }, header: version === undefined ? {} : { 'If-Match': `"${version}"` } },
        body: patch,
      }),
    ),
  );
}

export function useRunJob() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (id: string) =>
      call(
        api.POST('/v1/jobs/{id}/run-now', {
          params: { path: { id }, header: { 'Idempotency-Key': idempotencyKey() } },
        }),
      ),
    onSuccess: (run) => {
      void client.invalidateQueries({ queryKey: ['jobs', 'activity', run.job_id] });
      void client.invalidateQueries({ queryKey: ['executions'] });
    },
  });
}

export function useDeleteJob() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (id: string) => {
      await callWithResponse(api.DELETE('/v1/jobs/{id}', { params: { path: { id } } }));
      return id;
    },
    onSuccess: (id) => {
      client.removeQueries({ queryKey: ['jobs', 'one', id] });
      void refreshJobs(client);
    },
  });
}
