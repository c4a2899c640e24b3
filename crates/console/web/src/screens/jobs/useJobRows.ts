import { useCallback, useEffect, useMemo } from 'react';
import { Problem } from '../../api/problem';
import { type Job, type JobSort, useJobs } from '../../api/queries/jobs';
import { apiFilter, type Query } from './filter';

export interface JobRows {
  jobs: readonly Job[];
  /** In the order of `INDEXED_SORT`, because the server cannot sort so many jobs as the query asks. */
  isTooLarge: boolean;
  isPending: boolean;
  error: unknown;
  hasMore: boolean;
  isLoadingMore: boolean;
  loadMore: () => void;
  retry: () => void;
}

/** The order of a workspace with more jobs than the server sorts by the order that was asked for. */
export const INDEXED_SORT: JobSort = 'name';

/** The rows of the list, as far as they are loaded. */
export function useJobRows(query: Query): JobRows {
  const filter = useMemo(() => apiFilter(query), [query]);
  const asked = useJobs(filter, query.sort);
  const isTooLarge = asked.error instanceof Problem && asked.error.hasError('too_many_jobs');
  const indexed = useJobs(filter, INDEXED_SORT, { enabled: isTooLarge });
  const { data, error, isError, isPending, hasNextPage, isFetchingNextPage, fetchNextPage, refetch } =
    isTooLarge ? indexed : asked;
  const jobs = useMemo(() => withoutRepeats(data?.pages.flatMap((page) => page.data) ?? []), [data]);
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
    isTooLarge,
    isPending: isPending || isSearching,
    error,
    hasMore: hasNextPage,
    isLoadingMore: isFetchingNextPage,
    loadMore,
    retry: () => void (jobs.length > 0 && hasNextPage ? fetchNextPage() : refetch()),
  };
}

/** A job that has run since the page before was read can be on two pages. */
function withoutRepeats(jobs: readonly Job[]): readonly Job[] {
  return [...new Map(jobs.map((job) => [job.id, job])).values()];
}
