/** The user's sessions: log-ins that have not ended. */

import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import type { components } from '../../schema';
import { api, call } from '../client';

export type LogIn = components['schemas']['Session'];

export function useSessions() {
  return useQuery({
    queryKey: ['sessions'],
    queryFn: ({ signal }) => call(api.GET('/v1/sessions', { signal })),
  });
}

/** Ends one session by its id, or all others than this one. */
export function useEndSessions() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (which: { id: string } | 'others') =>
      which === 'others'
        ? call(api.DELETE('/v1/sessions'))
        : call(api.DELETE('/v1/sessions/{id}', { params: { path: { id: which.id } } })),
    onSettled: () => void client.invalidateQueries({ queryKey: ['sessions'] }),
  });
}
