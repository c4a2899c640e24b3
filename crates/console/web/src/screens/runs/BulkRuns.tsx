import { useState } from 'react';
import { useLocation } from 'wouter';
import {
  type DryRun,
  type RunsAction,
  type RunsOutcome,
  type RunsTarget,
  useRunsBulk,
  useRunsDryRun,
} from '../../api/queries/executions';
import { Ask } from '../../parts/Ask';
import { BulkBar } from '../../parts/BulkBar';
import { Button } from '../../parts/Button';
import { ErrorPanel } from '../../parts/ErrorPanel';
import { Bars } from '../../parts/Loading';
import { toast } from '../../parts/toasts';
import { useCan } from '../../shell/workspace';
import { words } from '../../words/en/runs';

interface Props {
  target: RunsTarget;
  selected: number;
  all: boolean;
  /** Offers to select all that match; absent where all are here. */
  onAll?: (() => void) | undefined;
  /** Nothing of what is selected can be cancelled any more. */
  noneOpen: boolean;
  onNone: () => void;
}

/** What to do with the runs that are selected: a dry run says how many, then it is done. */
export function BulkRuns({ target, selected, all, onAll, noneOpen, onNone }: Props) {
  const [action, setAction] = useState<RunsAction | null>(null);
  const [progress, setProgress] = useState<{ done: number; total: number }>();
  const bulk = useRunsBulk();
  const report = useReport();
  const can = useCan();
  const refused = can('jobs:run') ? undefined : words.scopeMissing('jobs:run');
  const perform = (chosen: RunsAction, matched: number) => {
    setAction(null);
    setProgress({ done: 0, total: matched });
    const onProgress = (done: number) => setProgress({ done, total: Math.max(done, matched) });
    bulk.mutate(
      { action: chosen, target, onProgress },
      {
        onSuccess: (outcome) => {
          report(chosen, outcome);
          onNone();
        },
        onError: (error) => toast({ text: error.message, tone: 'failed' }),
        onSettled: () => setProgress(undefined),
      },
    );
  };
  return (
    <>
      <BulkBar
        label={words.selected(selected)}
        selected={selected}
        all={all}
        {...(progress && { progress })}
        onNone={onNone}
      >
        {onAll && !all && (
          <Button kind="ghost" onClick={onAll}>
            {words.keySelectAll}
          </Button>
        )}
        <Button
          kind="ghost"
          icon="replay"
          busy={bulk.isPending}
          refused={refused}
          onClick={() => setAction('replay')}
        >
          {words.replay}
        </Button>
        <Button
          kind="ghost"
          icon="x"
          busy={bulk.isPending}
          refused={refused ?? (noneOpen ? words.nothingToCancel : undefined)}
          onClick={() => setAction('cancel')}
        >
          {words.cancel}
        </Button>
      </BulkBar>
      {action && (
        <AskRuns
          action={action}
          target={target}
          onConfirm={(matched) => perform(action, matched)}
          onClose={() => setAction(null)}
        />
      )}
    </>
  );
}

interface AskProps {
  action: RunsAction;
  target: RunsTarget;
  onConfirm: (matched: number) => void;
  onClose: () => void;
}

function AskRuns({ action, target, onConfirm, onClose }: AskProps) {
  const query = useRunsDryRun(action, target);
  const found = query.data;
  const isReplay = action === 'replay';
  const said = found ? words.runs(found.matched, found.isCapped) : '…';
  return (
    <Ask
      title={isReplay ? words.askReplay(said) : words.askCancel(said)}
      confirm={isReplay ? words.doReplay(said) : words.doCancel(said)}
      danger={!isReplay}
      busy={!found}
      onConfirm={() => found && (found.matched > 0 ? onConfirm(found.matched) : onClose())}
      onClose={onClose}
    >
      {query.error && <ErrorPanel error={query.error} onRetry={() => query.refetch()} />}
      {!query.error && !found && (
        <>
          <p>{words.counting}</p>
          <Bars rows={2} compact />
        </>
      )}
      {found && found.matched === 0 && <p>{isReplay ? words.nothingToReplay : words.nothingToCancel}</p>}
      {found && found.matched > 0 && (
        <>
          <p>{isReplay ? words.askReplayWhy : words.askCancelWhy}</p>
          <Sample found={found} />
        </>
      )}
    </Ask>
  );
}

const MAX_JOBS = 5;

/** The jobs of the runs that would be concerned. */
function Sample({ found }: { found: DryRun }) {
  const jobs = new Map<string, { name: string; runs: number }>();
  for (const run of found.sample) {
    const seen = jobs.get(run.job_id);
    jobs.set(run.job_id, { name: run.job_name, runs: (seen?.runs ?? 0) + 1 });
  }
  const most = [...jobs].sort(([, a], [, b]) => b.runs - a.runs);
  return (
    <ul className="runs-sample small">
      {found.sample.length < found.matched && <li>{words.firstOnly(found.sample.length)}</li>}
      {most.slice(0, MAX_JOBS).map(([id, job]) => (
        <li key={id}>{words.byJob(job.name, job.runs)}</li>
      ))}
      {most.length > MAX_JOBS && <li>{words.andOthers(most.length - MAX_JOBS)}</li>}
    </ul>
  );
}

/** Says what was done, and what was not. */
export function useReport() {
  const [, navigate] = useLocation();
  return (action: RunsAction, outcome: RunsOutcome) => {
    const [only] = outcome.runs;
    const isReplay = action === 'replay';
    toast({
      text: words.did(action, outcome.done),
      ...(isReplay &&
        only && {
          action:
            outcome.done === 1
              ? { label: words.openReplay, onSelect: () => navigate(`/runs/${only.id}`) }
              : { label: words.showReplays, onSelect: () => navigate('/runs?source=replay') },
        }),
    });
    if (outcome.failed.length > 0) {
      const codes = new Set(outcome.failed.map((it) => it.code));
      const reasons = [...codes].map((code) => words.failures[code] ?? code.replaceAll('_', ' '));
      toast({ text: words.failedSome(outcome.failed.length, reasons), tone: 'failed' });
    }
    if (outcome.retryAfter !== null) toast({ text: words.limited(outcome.retryAfter), tone: 'failed' });
  };
}
