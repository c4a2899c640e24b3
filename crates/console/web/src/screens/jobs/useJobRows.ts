import { useCallback, useEffect, useMemo } from 'react';
import { type Job, type JobFilter, type JobSort, useJobs } from '../../api/queries/jobs';
import { apiFilter, type Query } from './filter';

export interface JobRows {
  jobs: readonly Job[];
  isPending: boolean;
  error: unknown;
  hasMore: boolean;
  isLoadingMore: boolean;
  loadMore: () => void;
  retry: () => void;
}

/** The two lists that make the rows: first those that fail, then all others by name. Other orders are one list. */
export function listsOf(query: Query): { failing: JobFilter | null; all: JobFilter; sort: JobSort } {
  const all = apiFilter(query);
  if (query.sort !== 'attention') return { failing: null, all, sort: query.sort };
  const canFail = all.health === undefined && (all.state === undefined || all.state === 'active');
  return { failing: canFail ? { ...all, health: 'failing' } : null, all, sort: 'name' };
}

/** The rows of the list, as far as they are loaded. */
export function useJobRows(query: Query): JobRows {
  const lists = useMemo(() => listsOf(query), [query]);
  const failing = useJobs(lists.failing ?? {}, 'name', { enabled: lists.failing !== null });
  const isFailingDone = lists.failing === null || (failing.data !== undefined && !failing.hasNextPage);
  const all = useJobs(lists.all, lists.sort, { enabled: isFailingDone });
  const jobs = useMemo(() => {
    const first = lists.failing ? (failing.data?.pages.flatMap((page) => page.data) ?? []) : [];
    const seen = new Set(first.map((job) => job.id));
    const others = isFailingDone ? (all.data?.pages.flatMap((page) => page.data) ?? []) : [];
    return [...first, ...others.filter((job) => !seen.has(job.id))];
  }, [lists, failing.data, all.data, isFailingDone]);
  const active = isFailingDone ? all : failing;
  const { fetchNextPage, hasNextPage, isFetchingNextPage, isError, refetch } = active;
  const loadMore = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage && !isError) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, isError, fetchNextPage]);
  // A page of a filter can be empty though later ones are not: the server looks at so many jobs for each.
  const isSearching = jobs.length === 0 && hasNextPage && !isError;
  useEffect(() => {
    if (isSearching) loadMore();
  }, [isSearching, loadMore]);
  return {
    jobs,
    isPending: (active.isPending && jobs.length === 0) || isSearching,
    error: failing.error ?? all.error,
    hasMore: !isFailingDone || hasNextPage,
    isLoadingMore: isFetchingNextPage || (isFailingDone && all.isPending),
    loadMore,
    retry: () => void (jobs.length > 0 && hasNextPage ? fetchNextPage() : refetch()),
  };
}
