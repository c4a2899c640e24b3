/** The ledger of the workspace: what was due, matched with what is recorded. */

import { useInfiniteQuery } from '@tanstack/react-query';
import { useEffect } from 'react';
import type { components } from '../../schema';
import { now } from '../../time';
import { api, call } from '../client';

type Page = components['schemas']['WorkspaceLedger'];
export type Ledger = Omit<Page, 'next_cursor'>;

// A request checks jobs for five seconds at most; so many requests are enough for some thousand jobs.
const MAX_PAGES = 5;
const STALE_MS = 5 * 60_000;

interface Asked {
  from: string;
  to: string;
  cursor?: string;
}

/**
 * The ledger of the last hours. It comes page after page, each added to the ones before; after some pages, `jobs_left`
 * says how many jobs were not checked.
 */
export function useLedger(hours: number) {
  const query = useInfiniteQuery({
    queryKey: ['ledger', hours],
    queryFn: async ({ pageParam, signal }) => {
      const asked = pageParam ?? window(hours);
      return { asked, page: await call(api.GET('/v1/ledger', { params: { query: asked }, signal })) };
    },
    initialPageParam: null as Asked | null,
    getNextPageParam: ({ asked, page }, pages): Asked | null =>
      page.next_cursor && pages.length < MAX_PAGES ? { ...asked, cursor: page.next_cursor } : null,
    select: ({ pages: [first, ...rest] }): Ledger | undefined =>
      first && rest.reduce((sum, it) => add(sum, it.page), first.page),
    staleTime: STALE_MS,
    refetchInterval: STALE_MS,
  });
  const { hasNextPage, isFetching, isError, fetchNextPage } = query;
  useEffect(() => {
    if (hasNextPage && !isFetching && !isError) void fetchNextPage();
  }, [hasNextPage, isFetching, isError, fetchNextPage]);
  return query;
}

function window(hours: number): Asked {
  return { from: new Date(now() - hours * 3_600_000).toISOString(), to: new Date(now()).toISOString() };
}

function add(sum: Page, page: Page): Page {
  const skipped = { ...sum.skipped };
  for (const [reason, n] of Object.entries(page.skipped)) skipped[reason] = (skipped[reason] ?? 0) + n;
  return {
    ...page,
    from: sum.from,
    due: sum.due + page.due,
    executed: sum.executed + page.executed,
    pending: sum.pending + page.pending,
    gaps: sum.gaps + page.gaps,
    duplicates: sum.duplicates + page.duplicates,
    jobs_checked: sum.jobs_checked + page.jobs_checked,
    mismatches: [...sum.mismatches, ...page.mismatches],
    unchecked_jobs: [...sum.unchecked_jobs, ...page.unchecked_jobs],
    skipped,
  };
}
