/** The time zones that the server knows: its database decides, and not the browser's. */

import { useQuery } from '@tanstack/react-query';
import type { components } from '../../schema';
import { api, call } from '../client';

export type TimeZone = components['schemas']['TimeZone'];

export function useTimeZones() {
  return useQuery({
    queryKey: ['time-zones'],
    queryFn: async ({ signal }) => (await call(api.GET('/v1/time-zones', { signal }))).data,
    staleTime: 3_600_000,
  });
}
