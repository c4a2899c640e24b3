/** The load that is to come, and proposals to spread it. */

import { keepPreviousData, useQuery } from '@tanstack/react-query';
import type { components } from '../../schema';
import { api, call } from '../client';

type Schemas = components['schemas'];
export type Forecast = Schemas['Forecast'];
export type ForecastBucket = Schemas['ForecastBucket'];
export type Spread = Schemas['Spread'];

export interface ForecastWindow {
  from: string;
  to: string;
  /** The length of a bucket in seconds. */
  step: number;
  timezone?: string;
  host?: string | undefined;
}

/** The load of a window. `key` identifies it where its ends move with the clock. */
export function useForecast(
  key: readonly unknown[],
  window: () => ForecastWindow,
  options: { refetchInterval?: number; enabled?: boolean } = {},
) {
  return useQuery({
    queryKey: ['forecast', ...key],
    queryFn: ({ signal }) => call(api.GET('/v1/forecast', { params: { query: window() }, signal })),
    placeholderData: keepPreviousData,
    ...options,
  });
}

export interface SpreadQuestion {
  from: string;
  windowMinutes: number;
  host?: string | undefined;
}

function ask({ from, windowMinutes, host }: SpreadQuestion, signal?: AbortSignal): Promise<Spread> {
  const body = { from, window_minutes: windowMinutes, ...(host && { filter: { host } }) };
  return call(api.POST('/v1/forecast/spread', { body, signal: signal ?? null }));
}

/** What spreading the jobs of a window would do. It changes nothing, and the same question gets the same answer. */
export function useSpread(question: SpreadQuestion | null) {
  return useQuery({
    queryKey: ['forecast', 'spread', question],
    queryFn: ({ signal }) => ask(question as SpreadQuestion, signal),
    enabled: question !== null,
    placeholderData: keepPreviousData,
    staleTime: 30_000,
  });
}

/** The names of the hosts that jobs call, by name. */
export function useHostNames() {
  return useQuery({
    queryKey: ['hosts'],
    queryFn: ({ signal }) => call(api.GET('/v1/hosts', { signal })),
    select: ({ data }) => data.map((it) => it.host).sort(),
    staleTime: 60_000,
  });
}
