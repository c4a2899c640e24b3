/** What all lists by pages have in common. */

const PAGE = 100;

interface Page<Row> {
  data: readonly Row[];
  next_cursor: string | null;
}

/** `limit` and `cursor` of a page. */
export function pageOf(cursor: string | undefined): { limit: number; cursor: string | undefined } {
  return { limit: PAGE, cursor };
}

/** How `useInfiniteQuery` gets from a page to the next. */
export const byCursor = {
  initialPageParam: undefined as string | undefined,
  getNextPageParam: (page: Page<unknown>) => page.next_cursor ?? undefined,
};

/** The rows of all pages that are loaded. */
export function rowsOf<Row>(data: { pages: readonly Page<Row>[] } | undefined): Row[] {
  return data?.pages.flatMap((page) => page.data) ?? [];
}
