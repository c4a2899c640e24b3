/** The workspace itself: its name, its signing secret, its end. */

import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import type { components } from '../../schema';
import { api, call } from '../client';
import { loadSession } from '../session';

export type SigningSecret = components['schemas']['SigningSecret'];

const WORKSPACE_INTERVAL_MS = 60_000;

/** The workspace, with its quotas, and whether the operator has suspended it. */
export function useWorkspaceDetails(id: string | undefined) {
  return useQuery({
    queryKey: ['workspace', id],
    queryFn: ({ signal }) => call(api.GET('/v1/workspace', { signal })),
    enabled: id !== undefined,
    refetchInterval: WORKSPACE_INTERVAL_MS,
  });
}

/** Renames the workspace; its name is part of the session. */
export function useRenameWorkspace() {
  return useMutation({
    mutationFn: async (name: string) => {
      await call(api.PATCH('/v1/workspace', { body: { name } }));
      await loadSession();
    },
  });
}

/** Reads the signing secret, when it is asked for: no cache keeps it. */
export function useReadSigningSecret() {
  return useMutation({ mutationFn: () => call(api.GET('/v1/workspace/signing-secret')), gcTime: 0 });
}

/** Rotates the signing secret; with `force`, the previous one becomes invalid at once. */
export function useRotateSigningSecret() {
  return useMutation({
    mutationFn: (force: boolean) =>
      call(api.POST('/v1/workspace/signing-secret/rotate', { params: { query: force ? { force } : {} } })),
    gcTime: 0,
  });
}

/** Deletes the workspace with all that it has. */
export function useDeleteWorkspace() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: () => call(api.DELETE('/v1/workspace')),
    onSuccess: () => client.cancelQueries(),
  });
}
