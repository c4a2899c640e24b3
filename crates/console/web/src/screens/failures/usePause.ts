import { useQueryClient } from '@tanstack/react-query';
import { type JobsOutcome, undoBulk, useJobsBulk } from '../../api/queries/bulk';
import { toast } from '../../parts/toasts';
import { words } from '../../words/en/failures';

/** Pauses or resumes jobs, says so, and can undo it. */
export function usePause() {
  const client = useQueryClient();
  const bulk = useJobsBulk();
  const say = (outcome: JobsOutcome, done: string) => {
    const failed = outcome.failed[0];
    if (outcome.done > 0) {
      const undo = outcome.undo;
      toast({ text: done, ...(undo.length > 0 && { undo: () => undoBulk(client, undo) }) });
    }
    if (failed) toast({ text: words.someFailed(outcome.failed.length, failed.detail), tone: 'failed' });
  };
  const perform = (action: 'pause' | 'resume', ids: readonly string[]) =>
    bulk.mutate(
      { target: { ids }, action: { action } },
      {
        onSuccess: (outcome) =>
          say(outcome, action === 'pause' ? words.pausedDone(outcome.done) : words.resumedDone(outcome.done)),
        onError: (error) => toast({ text: error.message, tone: 'failed' }),
      },
    );
  return {
    isBusy: bulk.isPending,
    pause: (ids: readonly string[]) => perform('pause', ids),
    resume: (ids: readonly string[]) => perform('resume', ids),
  };
}
