/** Statistics of runs that have ended, and how many go on now. */

import { useQuery } from '@tanstack/react-query';
import type { components } from '../../schema';
import { api, call } from '../client';

type Schemas = components['schemas'];
export type StatsGroup = Schemas['StatsGroup'];
export type StatsBucket = Schemas['StatsBucket'];

export interface StatsWindow {
  from: string;
  to?: string;
  /** The length of a bucket in seconds. */
  step: number;
  by?: Schemas['StatsBy'];
  jobId?: string;
  host?: string;
  tag?: string;
  limit?: number;
}

/** Statistics of a window. `key` identifies it where its ends move with the clock. */
export function useStats(key: string, window: () => StatsWindow, options: { refetchInterval?: number } = {}) {
  return useQuery({
    queryKey: ['stats', key],
    queryFn: ({ signal }) => {
      const { jobId, ...rest } = window();
      return call(api.GET('/v1/stats', { params: { query: { ...rest, job_id: jobId } }, signal }));
    },
    ...options,
  });
}

const MAX_COUNTED = 100;

export interface NowCounts {
  running: number;
  retrying: number;
  queued: number;
  /** There are more than these. */
  isCapped: boolean;
}

/** The runs that go on now, by status. */
export function useNowCounts(refetchInterval: number) {
  return useQuery({
    queryKey: ['executions', 'now'],
    queryFn: async ({ signal }): Promise<NowCounts> => {
      const query = {
        status: ['running', 'retrying', 'queued'] as Schemas['ExecutionStatus'][],
        limit: MAX_COUNTED,
      };
      const page = await call(api.GET('/v1/executions', { params: { query }, signal }));
      const of = (status: string) => page.data.filter((it) => it.status === status).length;
      return {
        running: of('running'),
        retrying: of('retrying'),
        queued: of('queued'),
        isCapped: page.has_more,
      };
    },
    refetchInterval,
  });
}
