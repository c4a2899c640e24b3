/** The next fires of all jobs. */

import { useQuery } from '@tanstack/react-query';
import type { components } from '../../schema';
import { api, call } from '../client';

export type Upcoming = components['schemas']['Upcoming'];

const PAGE = 100;

/** The next hundred fires, soonest first. */
export function useUpcoming(refetchInterval: number) {
  return useQuery({
    queryKey: ['upcoming'],
    queryFn: ({ signal }) => call(api.GET('/v1/upcoming', { params: { query: { limit: PAGE } }, signal })),
    refetchInterval,
  });
}
