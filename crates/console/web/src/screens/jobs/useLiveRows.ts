import { type QueryClient, useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef } from 'react';
import {
  fetchJob,
  fetchJobPage,
  type JobFilter,
  type JobPages,
  type JobSort,
  jobListKey,
  keepJob,
  mergeJobs,
} from '../../api/queries/jobs';
import { useStream } from '../../api/stream';
import { apiFilter, type Query } from './filter';
import { INDEXED_SORT } from './useJobRows';

const REFRESH_MS = 15_000;
/** Health follows some seconds after a run; many runs at once are one refresh. */
const AFTER_RUN_MS = 3_000;
/** How many jobs are read one by one. */
const MAX_MOVED = 20;

/**
 * Keeps the rows on the screen current without moving them: their pages are read again, and jobs are replaced in their
 * places. A job that has become the first by the order is there after the next visit.
 */
export function useLiveRows(query: Query): void {
  const client = useQueryClient();
  const latest = useRef(query);
  latest.current = query;
  const soon = useRef<ReturnType<typeof setTimeout>>(undefined);
  const changed = useRef(new Set<string>());
  useEffect(() => {
    const timer = setInterval(() => void refresh(client, latest.current), REFRESH_MS);
    return () => {
      clearInterval(timer);
      clearTimeout(soon.current);
      soon.current = undefined;
    };
  }, [client]);
  useStream((event) => {
    if (event.type === 'execution') changed.current.add(event.execution.job_id);
    soon.current ??= setTimeout(() => {
      soon.current = undefined;
      const ids = changed.current;
      changed.current = new Set();
      for (const id of ids) void client.invalidateQueries({ queryKey: ['jobs', 'activity', id] });
      void client.invalidateQueries({ queryKey: ['jobs', 'counts'] });
      void client.invalidateQueries({ queryKey: ['failures'] });
      void refresh(client, latest.current);
    }, AFTER_RUN_MS);
  });
}

async function refresh(client: QueryClient, query: Query): Promise<void> {
  if (document.visibilityState !== 'visible') return;
  const [filter, shown] = [apiFilter(query), idsOnScreen()];
  const read = new Set<string>();
  for (const sort of new Set([query.sort, INDEXED_SORT]))
    await refreshList(client, filter, sort, shown, read);
  // A job that needs no attention any more is on a later page, which may not be loaded.
  const moved = [...shown].filter((id) => !read.has(id)).slice(0, MAX_MOVED);
  for (const id of moved) {
    const job = await fetchJob(id).catch(() => null);
    if (job) keepJob(client, job);
  }
}

async function refreshList(
  client: QueryClient,
  filter: JobFilter,
  sort: JobSort,
  shown: ReadonlySet<string>,
  read: Set<string>,
) {
  const key = jobListKey(filter, sort);
  const pages = client.getQueryData<JobPages>(key);
  if (!pages) return;
  const cursors = pages.pageParams.filter((_, at) => pages.pages[at]?.data.some((job) => shown.has(job.id)));
  for (const cursor of cursors) {
    // What cannot be read now is read with the next refresh.
    const page = await fetchJobPage(filter, sort, cursor).catch(() => null);
    if (!page) continue;
    for (const job of page.data) read.add(job.id);
    client.setQueryData<JobPages>(key, (before) => mergeJobs(before, page.data));
  }
}

function idsOnScreen(): ReadonlySet<string> {
  const links = document.querySelectorAll<HTMLElement>('.jobs [data-job]');
  return new Set([...links].map((link) => link.dataset.job ?? ''));
}
