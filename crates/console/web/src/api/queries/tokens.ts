/** API tokens of the workspace. Only the response that makes a token contains its secret. */

import { useInfiniteQuery, useMutation, useQueryClient } from '@tanstack/react-query';
import type { components } from '../../schema';
import { api, call } from '../client';
import { byCursor, pageOf } from './paged';

type Schemas = components['schemas'];
export type Token = Schemas['Token'];

/** All tokens, newest first. */
export function useTokens(options: { enabled?: boolean } = {}) {
  return useInfiniteQuery({
    queryKey: ['tokens', 'list'],
    queryFn: ({ pageParam, signal }) =>
      call(api.GET('/v1/tokens', { params: { query: pageOf(pageParam) }, signal })),
    ...byCursor,
    ...options,
  });
}

function useTokenChange<Input, Output>(change: (input: Input) => Promise<Output>) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: change,
    // A secret stays in the memory of the page only as long as it is shown.
    gcTime: 0,
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: ['tokens'] });
      void client.invalidateQueries({ queryKey: ['usage'] });
    },
  });
}

export function useCreateToken() {
  return useTokenChange((body: Schemas['TokenInput']) => call(api.POST('/v1/tokens', { body })));
}

/** Gives a token a new secret; the old one ends at once. */
export function useRotateToken() {
  return useTokenChange((id: string) =>
    call(api.POST('/v1/tokens/{id}/rotate', { params: { path: { id } } })),
  );
}

export function useDeleteToken() {
  return useTokenChange((id: string) => call(api.DELETE('/v1/tokens/{id}', { params: { path: { id } } })));
}
