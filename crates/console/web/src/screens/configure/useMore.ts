import { useCallback } from 'react';

interface Pages {
  hasNextPage: boolean;
  isFetchingNextPage: boolean;
  fetchNextPage: () => Promise<unknown>;
}

/** What a table needs of a list by pages: how it gets more, and whether it knows the whole. */
export function useMore({ hasNextPage, isFetchingNextPage, fetchNextPage }: Pages) {
  const onNearEnd = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  return { onNearEnd, loadingMore: isFetchingNextPage, ...(hasNextPage && { total: -1 }) };
}
