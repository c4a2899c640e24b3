import { useCallback, useMemo, useRef } from 'react';
import { useRuns } from '../../api/queries/executions';
import { useTail } from '../../api/queries/stream-use';
import { now } from '../../time';
import { apiFilter, type Query } from './filter';

const TOP_PX = 60;

interface Asked {
  query: Query;
  address: string;
  isHeld: boolean;
  hasSelection: boolean;
}

/** The list of a filter, its next pages, and its live tail. */
export function useRunsList({ query, address, isHeld, hasSelection }: Asked) {
  // A period such as 24h counts back from when the filter was chosen, so that the list does not move.
  // biome-ignore lint/correctness/useExhaustiveDependencies: the address is the query
  const filter = useMemo(() => apiFilter(query, now()), [address]);
  const list = useRuns(filter);
  const selected = useRef(hasSelection);
  selected.current = hasSelection;
  const canMove = useCallback(() => !selected.current && isAtTop(), []);
  const tail = useTail(filter, list.data, canMove, !isHeld && filter.to === undefined);
  const { fetchNextPage, hasNextPage, isFetching } = list;
  const onNearEnd = useCallback(() => {
    if (hasNextPage && !isFetching) void fetchNextPage();
  }, [fetchNextPage, hasNextPage, isFetching]);
  const rows = useMemo(() => list.data?.pages.flatMap((page) => page.data) ?? [], [list.data]);
  return { filter, list, tail, rows, onNearEnd };
}

/** Whether rows can be added above without moving what is read, pointed at by keys, or opened over the list. */
function isAtTop(): boolean {
  return (
    scrollY < TOP_PX &&
    document.activeElement?.closest('tbody') === null &&
    document.querySelector('[popover]:popover-open, dialog[open]') === null
  );
}
