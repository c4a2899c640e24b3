/** The user who is logged in. */

import { useMutation, useQueryClient } from '@tanstack/react-query';
import { api, call } from '../client';
import { loadSession } from '../session';

/** Changes the user's name, which is part of the session. */
export function useRenameMe() {
  return useMutation({
    mutationFn: async (name: string) => {
      await call(api.PATCH('/v1/me', { body: { name } }));
      await loadSession();
    },
  });
}

/** Changes the password; all other sessions end. */
export function useChangePassword() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (body: { current: string; new: string }) => call(api.POST('/v1/me/password', { body })),
    gcTime: 0,
    onSuccess: () => void client.invalidateQueries({ queryKey: ['sessions'] }),
  });
}

/** Sends a link to another address, which then becomes that of the account. */
export function useChangeEmail() {
  return useMutation({
    mutationFn: (body: { email: string; password: string }) => call(api.POST('/v1/me/email', { body })),
    gcTime: 0,
  });
}

/** Deletes the account. */
export function useDeleteMe() {
  return useMutation({ mutationFn: () => call(api.DELETE('/v1/me')) });
}
