import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { api, call } from '../../api/client';
import type { Job } from '../../api/queries/jobs';
import { ratio } from '../../format';
import { now } from '../../time';

const WEEK_MS = 7 * 86_400_000;
const REFRESH_MS = 60_000;

/** The share of the runs of seven days that succeeded; null if it is not known, or there were none. */
export type Rates = (job: Job) => number | null;

export function useRates(): Rates {
  const { data } = useQuery({
    queryKey: ['stats', 'jobs', 'week'],
    queryFn: () => {
      const from = new Date(now() - WEEK_MS).toISOString();
      return call(api.GET('/v1/stats', { params: { query: { by: 'job', from, step: 86_400, limit: 250 } } }));
    },
    refetchInterval: REFRESH_MS,
    staleTime: REFRESH_MS,
  });
  return useMemo(() => {
    const byId = new Map(data?.data.map((it) => [it.key, it.totals]));
    // Those with most failures come first: if the last of them has none, neither have the jobs that are left out.
    const othersAreWell = data !== undefined && data.data.at(-1)?.totals.failed === 0;
    return (job) => {
      const totals = byId.get(job.id);
      if (totals) return ratio(totals.succeeded, totals.succeeded + totals.failed);
      const last = job.last_execution;
      const ran = last?.status === 'succeeded' && now() - Date.parse(last.scheduled_for) < WEEK_MS;
      return othersAreWell && ran && data.keys > data.data.length ? 1 : null;
    };
  }, [data]);
}

interface Cause {
  status_code: number | null;
  error_class: string | null;
}

/** What the jobs that fail now fail with, by their ids. */
export function useCauses(): ReadonlyMap<string, Cause> {
  const { data } = useQuery({
    queryKey: ['failures', 'now'],
    queryFn: () => call(api.GET('/v1/failures', { params: { query: { state: 'now' } } })),
    refetchInterval: REFRESH_MS / 2,
  });
  return useMemo(() => {
    const causes = new Map<string, Cause>();
    for (const cause of data?.data ?? []) {
      for (const job of cause.jobs) {
        if (!causes.has(job.id))
          causes.set(job.id, { status_code: cause.status_code ?? null, error_class: cause.error_class });
      }
    }
    return causes;
  }, [data]);
}
