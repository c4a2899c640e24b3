import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import {
  type JobsAction,
  type JobsOutcome,
  type JobsTarget,
  undoBulk,
  useJobsBulk,
} from '../../api/queries/bulk';
import type { Job, JobFilter } from '../../api/queries/jobs';
import { Ask } from '../../parts/Ask';
import { BulkBar } from '../../parts/BulkBar';
import { Button } from '../../parts/Button';
import type { Selection } from '../../parts/Table';
import { toast } from '../../parts/toasts';
import { useCan } from '../../shell/workspace';
import { words } from '../../words/en/jobs';
import { sayProblem } from './actions';
import { ChangeDialog } from './ChangeDialog';
import { TagDialog } from './TagDialog';

/** More runs than this at once are asked about. */
const MAX_RUNS_UNASKED = 20;
/** For more than this, the number has to be typed. */
const MAX_DELETES_UNTYPED = 10;

interface Props {
  selection: Selection;
  jobs: readonly Job[];
  filter: JobFilter;
  /** How many match the filter. */
  total: number;
}

type Asking = 'run' | 'delete' | 'tag' | 'patch' | null;

/** What can be done with the jobs that are selected, or with all that match. */
export function Bulk({ selection, jobs, filter, total }: Props) {
  const [asking, setAsking] = useState<Asking>(null);
  const { perform, progress, isBusy } = usePerform(selection, () => setAsking(null));
  const can = useCan();
  const n = selection.all ? total : selection.keys.size;
  const target: JobsTarget = selection.all ? { filter } : { ids: [...selection.keys] };
  const writes = can('jobs:write') ? undefined : words.scopeMissing('jobs:write');
  const runs = can('jobs:run') ? undefined : words.scopeMissing('jobs:run');
  const act = (action: JobsAction) => perform(target, action);
  const run = () => (n > MAX_RUNS_UNASKED ? setAsking('run') : act({ action: 'run' }));
  return (
    <>
      <BulkBar
        label={words.selected(n)}
        selected={n}
        all={selection.all}
        selectAll={{ total, onSelect: () => selection.onAll?.() }}
        progress={progress === null ? undefined : { done: progress, total: n }}
        onNone={selection.onNone}
      >
        <Button
          kind="ghost"
          icon="pause"
          refused={writes}
          busy={isBusy}
          onClick={() => act({ action: 'pause' })}
        >
          {words.pause}
        </Button>
        <Button
          kind="ghost"
          icon="play"
          refused={writes}
          busy={isBusy}
          onClick={() => act({ action: 'resume' })}
        >
          {words.resume}
        </Button>
        <Button kind="ghost" icon="bolt" refused={runs} busy={isBusy} onClick={run}>
          {words.runNow}
        </Button>
        <Button kind="ghost" icon="tag" refused={writes} busy={isBusy} onClick={() => setAsking('tag')}>
          {words.tag}
        </Button>
        <Button kind="ghost" icon="edit" refused={writes} busy={isBusy} onClick={() => setAsking('patch')}>
          {words.change}
        </Button>
        <Button
          kind="ghost"
          icon="trash"
          className="danger"
          refused={writes}
          busy={isBusy}
          onClick={() => setAsking('delete')}
        >
          {words.delete}
        </Button>
      </BulkBar>
      <Question {...{ asking, n, jobs, selection, isBusy, act }} onClose={() => setAsking(null)} />
    </>
  );
}

interface QuestionProps {
  asking: Asking;
  n: number;
  jobs: readonly Job[];
  selection: Selection;
  isBusy: boolean;
  act: (action: JobsAction) => void;
  onClose: () => void;
}

function Question({ asking, n, jobs, selection, isBusy, act, onClose }: QuestionProps) {
  switch (asking) {
    case 'run':
      return (
        <Ask
          title={words.askRun(n)}
          confirm={words.doRun(n)}
          danger={false}
          busy={isBusy}
          onConfirm={() => act({ action: 'run' })}
          onClose={onClose}
        >
          <p>{words.askRunWhy}</p>
        </Ask>
      );
    case 'delete':
      return (
        <Ask
          title={words.askDelete(n)}
          confirm={words.doDelete(n)}
          typed={n > MAX_DELETES_UNTYPED ? String(n) : undefined}
          busy={isBusy}
          onConfirm={() => act({ action: 'delete' })}
          onClose={onClose}
        >
          <p>{words.askDeleteWhy}</p>
        </Ask>
      );
    case 'tag': {
      const chosen = jobs.filter((job) => selection.all || selection.keys.has(job.id));
      return (
        <TagDialog
          n={n}
          tags={[...new Set(chosen.flatMap((job) => job.tags))]}
          isBusy={isBusy}
          act={act}
          onClose={onClose}
        />
      );
    }
    case 'patch':
      return <ChangeDialog n={n} isBusy={isBusy} act={act} onClose={onClose} />;
    default:
      return null;
  }
}

function usePerform(selection: Selection, onDone: () => void) {
  const bulk = useJobsBulk();
  const client = useQueryClient();
  const [progress, setProgress] = useState<number | null>(null);
  const perform = (target: JobsTarget, action: JobsAction) => {
    if (bulk.isPending) return;
    setProgress(0);
    bulk
      .mutateAsync({ target, action, onProgress: setProgress })
      .then((outcome) => {
        sayOutcome(outcome, () => undoBulk(client, outcome.undo));
        if (action.action === 'delete') selection.onNone();
      }, sayProblem)
      .finally(() => {
        setProgress(null);
        onDone();
      });
  };
  return { perform, progress: bulk.isPending ? progress : null, isBusy: bulk.isPending };
}

function sayOutcome(outcome: JobsOutcome, undo: () => Promise<void>): void {
  const first = outcome.failed[0];
  if (first) {
    toast({ text: words.couldNot(outcome.failed.length, first.detail), tone: 'failed' });
  }
  if (outcome.retryAfter !== null) toast({ text: words.runsLimited(outcome.retryAfter), tone: 'failed' });
  if (outcome.done === 0) return;
  const text = words.did(outcome.action, outcome.done);
  toast(outcome.undo.length > 0 ? { text, undo } : { text });
}
