import { useQuery } from '@tanstack/react-query';
import { api, call } from '../api/client';
import { useOptionalWorkspace } from './workspace';

const REFRESH_MS = 30_000;

/** The numbers in the side: all jobs, and the hosts whose jobs fail. */
export function useSideCounts(): { jobs: number | null; isCapped: boolean; failingHosts: number } {
  const enabled = useOptionalWorkspace() !== null;
  const jobs = useQuery({
    queryKey: ['jobs', 'counts', {}],
    queryFn: () => call(api.GET('/v1/jobs/counts')),
    refetchInterval: REFRESH_MS,
    enabled,
  });
  const failures = useQuery({
    queryKey: ['failures', 'now'],
    queryFn: () => call(api.GET('/v1/failures', { params: { query: { state: 'now' } } })),
    refetchInterval: REFRESH_MS,
    enabled,
  });
  const hosts = new Set(failures.data?.data.map((it) => it.host));
  return { jobs: jobs.data?.all ?? null, isCapped: jobs.data?.capped ?? false, failingHosts: hosts.size };
}
