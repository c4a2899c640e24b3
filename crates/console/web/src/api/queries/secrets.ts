/** Secrets: their names and versions. No response contains a value. */

import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import type { components } from '../../schema';
import { api, call } from '../client';
import { byCursor, pageOf } from './paged';
import { inTurn } from './turn';

type Schemas = components['schemas'];
export type Secret = Schemas['Secret'];

/** All secrets, newest first. */
export function useSecrets(options: { enabled?: boolean } = {}) {
  return useInfiniteQuery({
    queryKey: ['secrets', 'list'],
    queryFn: ({ pageParam, signal }) =>
      call(api.GET('/v1/secrets', { params: { query: pageOf(pageParam) }, signal })),
    ...byCursor,
    ...options,
  });
}

/** One secret, with the jobs that use it. */
export function useSecret(name: string) {
  return useQuery({ queryKey: ['secrets', 'one', name], queryFn: ({ signal }) => read(name, signal) });
}

/** The same for the rows of a list: a few at a time. */
export function useSecretOfRow(name: string) {
  return useQuery({
    queryKey: ['secrets', 'one', name],
    queryFn: ({ signal }) => inTurn(signal, () => read(name, signal)),
    staleTime: 60_000,
  });
}

function read(name: string, signal: AbortSignal): Promise<Secret> {
  return call(api.GET('/v1/secrets/{name}', { params: { path: { name } }, signal }));
}

function useSecretChange<Input, Output>(change: (input: Input) => Promise<Output>) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: change,
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: ['secrets'] });
      // A job that refers to a secret has a warning until the secret exists.
      void client.invalidateQueries({ queryKey: ['jobs'] });
    },
  });
}

/** Creates a secret; it must not exist. */
export function useCreateSecret() {
  return useSecretChange((body: Schemas['SecretInput']) => call(api.POST('/v1/secrets', { body })));
}

/** Replaces the value of a secret. */
export function useReplaceSecret() {
  return useSecretChange(({ name, value }: Schemas['SecretInput']) =>
    call(api.PUT('/v1/secrets/{name}', { params: { path: { name } }, body: { value } })),
  );
}

/** Deletes a secret; with `force`, also if jobs use it. */
export function useDeleteSecret() {
  return useSecretChange(({ name, force }: { name: string; force: boolean }) =>
    call(api.DELETE('/v1/secrets/{name}', { params: { path: { name }, query: force ? { force } : {} } })),
  );
}
