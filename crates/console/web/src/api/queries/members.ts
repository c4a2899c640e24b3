/** Members of the workspace, and invitations that can still be accepted. */

import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import type { components } from '../../schema';
import { api, call } from '../client';

type Schemas = components['schemas'];
export type Member = Schemas['Member'];
export type Invitation = Schemas['Invitation'];
export type Role = Schemas['Role'];

export function useMembers(options: { enabled?: boolean } = {}) {
  return useQuery({
    queryKey: ['members', 'list'],
    queryFn: ({ signal }) => call(api.GET('/v1/members', { signal })),
    ...options,
  });
}

export function useInvitations() {
  return useQuery({
    queryKey: ['members', 'invitations'],
    queryFn: ({ signal }) => call(api.GET('/v1/invitations', { signal })),
  });
}

function useMemberChange<Input, Output>(change: (input: Input) => Promise<Output>) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: change,
    gcTime: 0,
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: ['members'] });
      // Tokens end with the right to give them.
      void client.invalidateQueries({ queryKey: ['tokens'] });
    },
  });
}

/** Creates an invitation; only this response contains its secret. */
export function useInvite() {
  return useMemberChange((body: Schemas['MemberInput']) => call(api.POST('/v1/members', { body })));
}

export function useDeleteInvitation() {
  return useMemberChange((id: string) =>
    call(api.DELETE('/v1/invitations/{id}', { params: { path: { id } } })),
  );
}

export function useChangeRole() {
  return useMemberChange(({ id, role }: { id: string; role: Role }) =>
    call(api.PATCH('/v1/members/{id}', { params: { path: { id } }, body: { role } })),
  );
}

export function useRemoveMember() {
  return useMemberChange((id: string) => call(api.DELETE('/v1/members/{id}', { params: { path: { id } } })));
}
