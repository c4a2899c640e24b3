/** The audit log. */

import { useInfiniteQuery } from '@tanstack/react-query';
import type { components } from '../../schema';
import { api, call } from '../client';
import { byCursor, pageOf } from './paged';

export type AuditEntry = components['schemas']['AuditEntry'];
export type AuditAction = components['schemas']['AuditAction'];

/** The entries, newest first; of one action, or of all. */
export function useAuditLog(action: AuditAction | undefined) {
  return useInfiniteQuery({
    queryKey: ['audit', 'list', action ?? null],
    queryFn: ({ pageParam, signal }) =>
      call(api.GET('/v1/audit-log', { params: { query: { action, ...pageOf(pageParam) } }, signal })),
    ...byCursor,
  });
}
