/** The last runs of jobs, for the strips of lists: what is on the screen is asked for together. */

import { useQuery } from '@tanstack/react-query';
import type { components } from '../../schema';
import { api, call } from '../client';

export type ActivityRun = components['schemas']['ActivityRun'];

const MAX_IDS = 100;
const GATHER_MS = 60;

interface Asked {
  id: string;
  signal: AbortSignal;
  resolve: (runs: readonly ActivityRun[]) => void;
  reject: (error: unknown) => void;
}

const waiting = new Map<number, Asked[]>();

/** The last runs of a job, newest first. */
export function useActivity(id: string, runs: number) {
  return useQuery({
    queryKey: ['jobs', 'activity', id, runs],
    queryFn: ({ signal }) => gather(id, runs, signal),
    staleTime: 60_000,
  });
}

function gather(id: string, runs: number, signal: AbortSignal): Promise<readonly ActivityRun[]> {
  return new Promise((resolve, reject) => {
    const list = waiting.get(runs) ?? [];
    if (list.length === 0) {
      waiting.set(runs, list);
      setTimeout(() => flush(runs), GATHER_MS);
    }
    list.push({ id, signal, resolve, reject });
  });
}

function flush(runs: number): void {
  const all = waiting.get(runs) ?? [];
  waiting.delete(runs);
  // A row that was scrolled past needs nothing any more.
  const asked = all.filter((it) => !it.signal.aborted);
  for (let at = 0; at < asked.length; at += MAX_IDS) void fetchSome(asked.slice(at, at + MAX_IDS), runs);
}

async function fetchSome(asked: readonly Asked[], runs: number): Promise<void> {
  const ids = [...new Set(asked.map((it) => it.id))];
  try {
    const found = await call(api.GET('/v1/jobs/activity', { params: { query: { ids, runs } } }));
    const byId = new Map(found.data.map((it) => [it.job_id, it.runs]));
    for (const it of asked) it.resolve(byId.get(it.id) ?? []);
  } catch (error) {
    for (const it of asked) it.reject(error);
  }
}
