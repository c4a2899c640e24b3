/** Applies a proposal to spread jobs, and takes it back as one. */

import { useMutation, useQueryClient } from '@tanstack/react-query';
import type { components } from '../../schema';
import { api, call, idempotencyKey } from '../client';

type Schemas = components['schemas'];
export type SpreadChange = Schemas['SpreadChange'];

/** A job's new expression, if the job still has this version. */
interface Move {
  id: string;
  version: number;
  cron: string;
}

interface Moved {
  jobs: Schemas['JobsBulkJob'][];
  failed: Schemas['JobsBulkFailure'][];
  /** What ended it before all were reached. */
  error: Error | null;
}

interface Request {
  changes: readonly SpreadChange[];
  /** After each call: how many jobs were reached. */
  onProgress: (done: number) => void;
  /** Ends it between two calls; what was done stays, and can be undone. */
  signal: AbortSignal;
}

export interface Applied {
  done: number;
  failed: Schemas['JobsBulkFailure'][];
  error: Error | null;
  /** Takes the changes back; jobs that were changed since stay as they are. */
  undo: () => Promise<void>;
}

const MAX_IDS = 1_000;

/** Gives each job its proposed expression. A job that was changed since the proposal stays as it is. */
export function useApplySpread() {
  const client = useQueryClient();
  const refresh = () =>
    Promise.all(['jobs', 'forecast', 'upcoming'].map((key) => client.invalidateQueries({ queryKey: [key] })));
  return useMutation({
    mutationFn: async ({ changes, onProgress, signal }: Request): Promise<Applied> => {
      const moves = changes.map((it) => ({ id: it.job_id, version: it.version, cron: it.after }));
      const { jobs, failed, error } = await move(moves, onProgress, signal);
      const before = new Map(changes.map((it) => [it.job_id, it.before]));
      const back = jobs.flatMap((it) => {
        const cron = before.get(it.id);
        return cron === undefined ? [] : [{ id: it.id, version: it.version, cron }];
      });
      return {
        done: jobs.length,
        failed,
        error,
        undo: async () => {
          const undone = await move(back);
          await refresh();
          if (undone.error) throw undone.error;
        },
      };
    },
    onSettled: refresh,
  });
}

/** One bulk patch for each expression: there are at most as many as minutes. */
async function move(
  moves: readonly Move[],
  onProgress?: (done: number) => void,
  signal?: AbortSignal,
): Promise<Moved> {
  const all: Moved = { jobs: [], failed: [], error: null };
  for (const cron of new Set(moves.map((it) => it.cron))) {
    let left = moves.filter((it) => it.cron === cron);
    while (left.length > 0 && !signal?.aborted) {
      try {
        const { jobs, failed } = await patch(cron, left.slice(0, MAX_IDS));
        all.jobs.push(...jobs);
        all.failed.push(...failed);
        onProgress?.(all.jobs.length + all.failed.length);
        // A call ends after some seconds: what it did not reach is asked for again.
        const reached = new Set([...jobs, ...failed].map((it) => it.id));
        left = reached.size === 0 ? [] : left.filter((it) => !reached.has(it.id));
      } catch (error) {
        return { ...all, error: error instanceof Error ? error : new Error(String(error)) };
      }
    }
  }
  return all;
}

function patch(cron: string, moves: readonly Move[]): Promise<Schemas['JobsBulkResult']> {
  const body: Schemas['JobsBulkInput'] = {
    action: 'patch',
    ids: moves.map((it) => it.id),
    versions: Object.fromEntries(moves.map((it) => [it.id, it.version])),
    patch: { schedule: { cron } } as Schemas['JobsBulkInput']['patch'],
  };
  return call(
    api.POST('/v1/jobs/bulk', { params: { header: { 'Idempotency-Key': idempotencyKey() } }, body }),
  );
}
