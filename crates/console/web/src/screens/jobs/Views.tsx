import { useMemo } from 'react';
import { type JobFilter, useJobCounts } from '../../api/queries/jobs';
import { count } from '../../format';
import { LinkTabs } from '../../parts/Tabs';
import { words } from '../../words/en/jobs';
import { apiFilter, inView, type Query, VIEWS, viewOf, writeQuery } from './filter';

const REFRESH_MS = 30_000;

/** The views above the list, with how many jobs each has under the other filters. */
export function Views({ query }: { query: Query }) {
  const base = useMemo(() => apiFilter(inView(query, 'all')), [query]);
  const counts = useViewCounts(base);
  return (
    <LinkTabs
      label={words.views}
      chosen={viewOf(query)}
      href={(id) => {
        const search = writeQuery(inView(query, id)).toString();
        return search ? `/jobs?${search}` : '/jobs';
      }}
      tabs={VIEWS.map(({ id }) => ({
        id,
        label: words[id as 'all'],
        note: said(counts.of[id], counts.isCapped),
        bad: (id === 'failing' || id === 'willFail') && (counts.of[id] ?? 0) > 0,
      }))}
    />
  );
}

function said(n: number | undefined, isCapped: boolean): string | undefined {
  return n === undefined ? undefined : count(n) + (isCapped && n >= 10_000 ? '+' : '');
}

function useViewCounts(base: JobFilter): { isCapped: boolean; of: Record<string, number | undefined> } {
  const options = { refetchInterval: REFRESH_MS };
  const all = useJobCounts(base, options).data;
  const failing = useJobCounts({ ...base, health: 'failing' }, options).data;
  const willFail = useJobCounts({ ...base, health: 'will_fail' }, options).data;
  const neverRan = useJobCounts({ ...base, health: 'never_ran' }, options).data;
  return {
    isCapped: all?.capped ?? false,
    of: {
      all: all?.all,
      failing: failing?.all,
      willFail: willFail?.all,
      neverRan: neverRan?.all,
      paused: all?.paused,
      drafts: all?.draft,
      completed: all?.completed,
    },
  };
}
