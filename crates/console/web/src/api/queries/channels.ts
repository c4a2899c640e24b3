/** Channels of notifications. Responses contain their destinations only masked. */

import { useInfiniteQuery, useMutation, useQueryClient } from '@tanstack/react-query';
import type { components } from '../../schema';
import { api, call } from '../client';
import { byCursor, pageOf } from './paged';

type Schemas = components['schemas'];
export type Channel = Schemas['Channel'];
export type ChannelType = Schemas['ChannelType'];
export type ChannelInput = Schemas['ChannelInput'];

const CHANNELS_INTERVAL_MS = 30_000;

/** All channels, newest first. A workspace has at most 100, which is one page. */
export function useChannels(options: { enabled?: boolean } = {}) {
  return useInfiniteQuery({
    queryKey: ['channels', 'list'],
    queryFn: ({ pageParam, signal }) =>
      call(api.GET('/v1/notification-channels', { params: { query: pageOf(pageParam) }, signal })),
    ...byCursor,
    refetchInterval: CHANNELS_INTERVAL_MS,
    ...options,
  });
}

function useChannelChange<Input, Output>(change: (input: Input) => Promise<Output>) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: change,
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: ['channels'] });
      void client.invalidateQueries({ queryKey: ['rules'] });
    },
  });
}

export function useCreateChannel() {
  return useChannelChange((body: ChannelInput) => call(api.POST('/v1/notification-channels', { body })));
}

/** Changes a name or a destination; what is not sent stays. */
export function useChangeChannel() {
  return useChannelChange(({ id, patch }: { id: string; patch: Schemas['ChannelPatch'] }) =>
    call(api.PATCH('/v1/notification-channels/{id}', { params: { path: { id } }, body: patch })),
  );
}

/** Deletes a channel; with `force`, also the rules that use it. */
export function useDeleteChannel() {
  return useChannelChange(({ id, force }: { id: string; force: boolean }) =>
    call(
      api.DELETE('/v1/notification-channels/{id}', {
        params: { path: { id }, query: force ? { force } : {} },
      }),
    ),
  );
}

/** Snoozes a channel until an instant; null ends it. */
export function useSnoozeChannel() {
  return useChannelChange(({ id, until }: { id: string; until: string | null }) =>
    call(
      api.POST('/v1/notification-channels/{id}/snooze', {
        params: { path: { id } },
        // The description of the API does not say that null ends the snooze.
        body: { until } as Schemas['SnoozeInput'],
      }),
    ),
  );
}
