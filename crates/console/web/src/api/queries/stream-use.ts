/** The live tail of a list of runs: what is new waits, or flows in where that moves nothing. */

import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useRef } from 'react';
import { useStream } from '../stream';
import {
  fetchRunPage,
  keepRuns,
  type Run,
  type RunFilter,
  type RunPages,
  runListKey,
  updateRuns,
} from './executions';

const POLL_MS = 5_000;
const AFTER_EVENT_MS = 1_000;
const MAX_ROWS = 1_000;

type Head = RunPages['pages'][number];

/** The runs of the newest page that the list does not have. */
export function newRuns(pages: Pick<RunPages, 'pages'> | undefined, head: Head | undefined): Run[] {
  if (!pages || !head) return [];
  const known = new Set(pages.pages.flatMap((page) => page.data.map((run) => run.id)));
  return head.data.filter((run) => !known.has(run.id));
}

/** The list with the newest page before it. Where they do not meet, or it has grown too long, it begins anew. */
export function withNew(pages: RunPages, head: Head): RunPages {
  const fresh = newRuns(pages, head);
  if (fresh.length === 0) return pages;
  const rows = pages.pages.reduce((sum, page) => sum + page.data.length, 0);
  const isGap = fresh.length === head.data.length && rows > 0 && head.has_more;
  const [first, ...rest] = pages.pages;
  if (!first || isGap || rows > MAX_ROWS) return { pages: [head], pageParams: [undefined] };
  return { ...pages, pages: [{ ...first, data: [...fresh, ...first.data] }, ...rest] };
}

export interface Tail {
  /** New runs that wait to be shown. */
  waiting: number;
  /** There can be more of them than were counted. */
  isMany: boolean;
  /** Shows what waits. */
  onShow: () => void;
}

/**
 * Follows a list. New runs flow in while `canMove` says that nothing under the reader moves; otherwise they wait. The
 * server is asked for the newest page, so that every filter counts.
 */
export function useTail(
  filter: RunFilter,
  list: Pick<RunPages, 'pages'> | undefined,
  canMove: () => boolean,
  isLive: boolean,
): Tail {
  const client = useQueryClient();
  const key = ['executions', 'head', filter];
  const head = useQuery({
    queryKey: key,
    queryFn: ({ signal }) => fetchRunPage(filter, undefined, signal),
    refetchInterval: POLL_MS,
    enabled: isLive && list !== undefined,
  });
  const refetch = useThrottled(
    () => isLive && void client.invalidateQueries({ queryKey: key }),
    AFTER_EVENT_MS,
  );
  useStream((event) => {
    if (!isLive) return;
    if (event.type === 'execution') keepRuns(client, [event.execution]);
    refetch();
  });
  const waiting = isLive ? newRuns(list, head.data) : [];
  const show = () => {
    const page = head.data;
    if (page) client.setQueryData<RunPages>(runListKey(filter), (now) => now && withNew(now, page));
  };
  // Runs that are shown already take their new states at once.
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new page is what counts
  useEffect(() => {
    const page = head.data;
    if (!page || !isLive) return;
    client.setQueryData<RunPages>(runListKey(filter), (now) => {
      const updated = updateRuns(now, page.data);
      return updated && canMove() ? withNew(updated, page) : updated;
    });
  }, [head.data]);
  return {
    waiting: waiting.length,
    isMany: waiting.length > 0 && waiting.length === head.data?.data.length && head.data.has_more,
    onShow: show,
  };
}

/** Calls a function at most once in a while, the last time included. */
function useThrottled(run: () => void, everyMs: number): () => void {
  const latest = useRef(run);
  latest.current = run;
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  return useCallback(() => {
    timer.current ??= setTimeout(() => {
      timer.current = undefined;
      latest.current();
    }, everyMs);
  }, [everyMs]);
}
