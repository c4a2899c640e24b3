/** What the editor and the import write: jobs, and the rules of their notifications. */

import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import type { components } from '../../schema';
import { api, call, idempotencyKey } from '../client';
import { type Job, keepJob, refreshJobs } from './jobs';

type Schemas = components['schemas'];
export type JobInput = Schemas['JobInput'];
export type Rule = Schemas['Rule'];
export type RuleInput = Schemas['RuleInput'];

/** One job as it is now, past every cache. */
export function fetchJob(id: string): Promise<Job> {
  return call(api.GET('/v1/jobs/{id}', { params: { path: { id } } }));
}

/** The job that the editor opens; it is read once, so that nothing changes below the cursor. */
export function useJobToEdit(id: string | null) {
  return useQuery({
    queryKey: ['jobs', 'edit', id],
    queryFn: () => fetchJob(id as string),
    enabled: id !== null,
    staleTime: 0,
    gcTime: 0,
    refetchOnWindowFocus: false,
    refetchOnReconnect: false,
  });
}

/** Creates a job. The same form with the same key creates it once. */
export function useCreateJob() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ body, key }: { body: JobInput; key: string }) =>
      call(api.POST('/v1/jobs', { params: { header: { 'Idempotency-Key': key } }, body })),
    onSuccess: (job) => {
      keepJob(client, job);
      void refreshJobs(client);
    },
  });
}

/** Creates several jobs, all or none. */
export function useCreateJobs() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (items: JobInput[]) =>
      call(
        api.POST('/v1/jobs/batch', {
          params: { header: { 'Idempotency-Key': idempotencyKey() } },
          body: { items },
        }),
      ),
    onSuccess: () => refreshJobs(client),
  });
}

/** The rules of a job's notifications. */
export function useRules(job: string | null) {
  return useQuery({
    queryKey: ['rules', job],
    queryFn: async ({ signal }) =>
      (
        await call(
          api.GET('/v1/jobs/{id}/notification-rules', { params: { path: { id: job as string } }, signal }),
        )
      ).data,
    enabled: job !== null,
  });
}

export interface RuleChanges {
  job: string;
  added: readonly RuleInput[];
  removed: readonly string[];
}

export function useChangeRules() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async ({ job, added, removed }: RuleChanges) => {
      for (const body of added) {
        await call(api.POST('/v1/jobs/{id}/notification-rules', { params: { path: { id: job } }, body }));
      }
      for (const rule_id of removed) {
        await call(
          api.DELETE('/v1/jobs/{id}/notification-rules/{rule_id}', {
            params: { path: { id: job, rule_id } },
          }),
        );
      }
    },
    onSettled: (_data, _error, { job }) => client.invalidateQueries({ queryKey: ['rules', job] }),
  });
}

/** A run that was just asked for, read until it has ended. */
export function useRunToFollow(id: string | null) {
  return useQuery({
    queryKey: ['executions', 'follow', id],
    queryFn: ({ signal }) =>
      call(api.GET('/v1/executions/{id}', { params: { path: { id: id as string } }, signal })),
    enabled: id !== null,
    refetchInterval: ({ state }) => (isEnded(state.data?.status) ? false : FOLLOW_INTERVAL_MS),
  });
}

const FOLLOW_INTERVAL_MS = 500;

export function isEnded(status: string | undefined): boolean {
  return status !== undefined && ['succeeded', 'failed', 'cancelled', 'skipped'].includes(status);
}
