/** The hosts that jobs call: all of them, and how one of them does. */

import { useQuery } from '@tanstack/react-query';
import type { components } from '../../schema';
import { api, call } from '../client';

type Schemas = components['schemas'];
export type Host = Schemas['Host'];
export type FailureCause = Schemas['FailureCause'];

const REFRESH_MS = 30_000;

/** All hosts, those that most jobs call first. */
export function useHosts() {
  return useQuery({
    queryKey: ['hosts'],
    queryFn: ({ signal }) => call(api.GET('/v1/hosts', { signal })),
    refetchInterval: REFRESH_MS,
  });
}

/** Why jobs that call a host fail now. */
export function useHostFailures(host: string) {
  return useQuery({
    queryKey: ['failures', 'now'],
    queryFn: ({ signal }) => call(api.GET('/v1/failures', { params: { query: { state: 'now' } }, signal })),
    refetchInterval: REFRESH_MS,
    select: (failures) => failures.data.filter((cause) => cause.host === host),
  });
}

interface Window {
  from: string;
  to: string;
  step: number;
}

/** The runs of a host in a window that is past. */
export function useHostStats(host: string, window: Window) {
  return useQuery({
    queryKey: ['stats', 'host', host, window],
    queryFn: ({ signal }) => call(api.GET('/v1/stats', { params: { query: { host, ...window } }, signal })),
    refetchInterval: REFRESH_MS,
    placeholderData: (before) => before,
  });
}

/** The runs of a host that are to come. */
export function useHostForecast(host: string, window: Window & { timezone: string }) {
  return useQuery({
    queryKey: ['forecast', 'host', host, window],
    queryFn: ({ signal }) =>
      call(api.GET('/v1/forecast', { params: { query: { host, ...window } }, signal })),
    staleTime: 60_000,
    placeholderData: (before) => before,
  });
}
