/** What fails, by cause. */

import { useQuery } from '@tanstack/react-query';
import type { components } from '../../schema';
import { api, call } from '../client';

export type Cause = components['schemas']['FailureCause'];
export type FailureState = components['schemas']['FailureState'];

/** The causes of failures: of jobs that fail now, or also of those that are well again. */
export function useFailures(state: FailureState, refetchInterval: number) {
  return useQuery({
    queryKey: ['failures', state],
    queryFn: ({ signal }) => call(api.GET('/v1/failures', { params: { query: { state } }, signal })),
    refetchInterval,
  });
}

const MAX_JOBS = 100;

/** The jobs that fail now, by id: their schedules and states. At most a hundred. */
export function useFailingJobs(refetchInterval: number) {
  return useQuery({
    queryKey: ['jobs', 'failing'],
    queryFn: async ({ signal }) => {
      const query = { health: 'failing' as const, limit: MAX_JOBS };
      const page = await call(api.GET('/v1/jobs', { params: { query }, signal }));
      return new Map(page.data.map((job) => [job.id, job]));
    },
    refetchInterval,
  });
}
