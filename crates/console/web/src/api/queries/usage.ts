/** What the workspace uses of its plan. */

import { useQuery } from '@tanstack/react-query';
import type { components } from '../../schema';
import { api, call } from '../client';

export type Used = components['schemas']['Used'];

const USAGE_INTERVAL_MS = 10_000;

export function useUsage() {
  return useQuery({
    queryKey: ['usage'],
    queryFn: ({ signal }) => call(api.GET('/v1/usage', { signal })),
    refetchInterval: USAGE_INTERVAL_MS,
  });
}
