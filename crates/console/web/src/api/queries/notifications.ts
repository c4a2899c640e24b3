/** Notifications: the log, one of them, and tests of channels. */

import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import type { components, operations } from '../../schema';
import { api, call } from '../client';
import { byCursor, pageOf } from './paged';
import { inTurn } from './turn';

export type Notification = components['schemas']['Notification'];
export type NotificationStatus = components['schemas']['NotificationStatus'];
type ListQuery = NonNullable<operations['list_notifications']['parameters']['query']>;
export type NotificationFilter = Omit<ListQuery, 'limit' | 'cursor'>;

const LOG_INTERVAL_MS = 15_000;
const DELIVERY_INTERVAL_MS = 700;

/** The log, newest first. The first page is read again while it is the only one. */
export function useNotifications(filter: NotificationFilter) {
  return useInfiniteQuery({
    queryKey: ['notifications', 'list', filter],
    queryFn: ({ pageParam, signal }) =>
      call(api.GET('/v1/notifications', { params: { query: { ...filter, ...pageOf(pageParam) } }, signal })),
    ...byCursor,
    refetchInterval: ({ state }) => ((state.data?.pages.length ?? 0) > 1 ? false : LOG_INTERVAL_MS),
  });
}

/** One notification, followed until its delivery has ended. */
export function useNotification(id: string | null) {
  const client = useQueryClient();
  return useQuery({
    queryKey: ['notifications', 'one', id],
    queryFn: async ({ signal }) => {
      const path = { id: id ?? '' };
      const found = await call(api.GET('/v1/notifications/{id}', { params: { path }, signal }));
      // A channel shows its last delivery.
      if (found.finished_at) void client.invalidateQueries({ queryKey: ['channels'] });
      return found;
    },
    enabled: id !== null,
    refetchInterval: ({ state }) => (state.data?.finished_at ? false : interval(state.data)),
  });
}

// Between two attempts there is nothing new to read for a while.
function interval(notification: Notification | undefined): number {
  return notification?.status === 'retrying' ? LOG_INTERVAL_MS / 3 : DELIVERY_INTERVAL_MS;
}

/** Sends a test message; the result is to be followed with `useNotification`. */
export function useTestChannel() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (id: string) =>
      call(api.POST('/v1/notification-channels/{id}/test', { params: { path: { id } } })),
    onSuccess: (sent) => {
      client.setQueryData(['notifications', 'one', sent.id], sent);
      void client.invalidateQueries({ queryKey: ['notifications', 'list'] });
    },
  });
}

/** The name of the job that a notification is about: the log has only its id. */
export function useJobName(id: string) {
  return useQuery({
    queryKey: ['jobs', 'name', id],
    queryFn: ({ signal }) =>
      inTurn(signal, () => call(api.GET('/v1/jobs/{id}', { params: { path: { id } }, signal }))),
    select: (job) => job.name,
    staleTime: 10 * 60_000,
  });
}
