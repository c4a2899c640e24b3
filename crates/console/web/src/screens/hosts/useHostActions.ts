import { useQueryClient } from '@tanstack/react-query';
import { type JobsOutcome, undoBulk, useJobsBulk } from '../../api/queries/bulk';
import { toast } from '../../parts/toasts';
import { useCan } from '../../shell/workspace';
import { words } from '../../words/en/hosts';

/** Pauses and resumes all jobs that call a host; both can be undone. */
export function useHostActions() {
  const client = useQueryClient();
  const bulk = useJobsBulk();
  const can = useCan();
  const refresh = () => client.invalidateQueries({ queryKey: ['hosts'] });
  const report = (outcome: JobsOutcome, text: string) => {
    toast({
      text,
      ...(outcome.undo.length > 0 && {
        undo: async () => {
          await undoBulk(client, outcome.undo);
          await refresh();
        },
      }),
    });
    if (outcome.failed.length > 0) toast({ text: words.couldNot(outcome.failed.length), tone: 'failed' });
    void refresh();
  };
  const perform = (host: string, action: 'pause' | 'resume') =>
    bulk.mutate(
      { target: { filter: { host, state: action === 'pause' ? 'active' : 'paused' } }, action: { action } },
      {
        onSuccess: (outcome) => report(outcome, said(action, outcome.done, host)),
        onError: (error) => toast({ text: error.message, tone: 'failed' }),
      },
    );
  return {
    refused: can('jobs:write') ? undefined : words.scopeMissing('jobs:write'),
    busy: bulk.isPending,
    pause: (host: string) => perform(host, 'pause'),
    resume: (host: string) => perform(host, 'resume'),
  };
}

function said(action: 'pause' | 'resume', done: number, host: string): string {
  if (action === 'pause') return done === 0 ? words.pausedNone(host) : words.paused(done, host);
  return done === 0 ? words.resumedNone(host) : words.resumed(done, host);
}
