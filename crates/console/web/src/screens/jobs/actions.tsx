import { useQueryClient } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { useLocation } from 'wouter';
import { Problem } from '../../api/problem';
import {
  type Job,
  useDeleteJob,
  usePatchJob,
  usePauseJob,
  useResumeJob,
  useRunJob,
} from '../../api/queries/jobs';
import { Ask } from '../../parts/Ask';
import { toast } from '../../parts/toasts';
import { useCan } from '../../shell/workspace';
import { words } from '../../words/en/jobs';

export interface JobActions {
  edit: (job: Job) => void;
  run: (job: Job) => void;
  pauseOrResume: (job: Job) => void;
  /** Makes a draft an active job. */
  activate: (job: Job) => void;
  remove: (job: Job) => void;
  /** The question that one of them asks, if it does. */
  dialog: ReactNode;
}

/** Says why something was not done. */
export function sayProblem(error: unknown): void {
  if (!(error instanceof Problem)) throw error;
  toast({ text: error.message, tone: 'failed' });
}

/** What can be done with one job: from a row, its menu, its keys, or its page. */
export function useJobActions(after: { onDeleted?: () => void } = {}): JobActions {
  const [, navigate] = useLocation();
  const [removing, setRemoving] = useState<Job | null>(null);
  const pauseOrResume = usePauseOrResume();
  const run = useRun();
  const activate = useActivate();
  const remove = useDeleteJob();
  const can = useCan();
  const dialog = removing && (
    <Ask
      title={words.askDelete(1)}
      confirm={words.doDelete(1)}
      busy={remove.isPending}
      onClose={() => setRemoving(null)}
      onConfirm={() =>
        remove.mutate(removing.id, {
          onSuccess: () => {
            setRemoving(null);
            toast({ text: words.didOne('delete', removing.name) });
            after.onDeleted?.();
          },
          onError: (error) => {
            setRemoving(null);
            sayProblem(error);
          },
        })
      }
    >
      <p>
        <strong>{removing.name}</strong>
      </p>
      <p>{words.askDeleteWhy}</p>
    </Ask>
  );
  return {
    edit: (job) => can('jobs:write') && navigate(`/jobs/${job.id}/edit`),
    run: (job) => can('jobs:run') && run(job),
    pauseOrResume: (job) => can('jobs:write') && pauseOrResume(job),
    activate,
    remove: setRemoving,
    dialog,
  };
}

function usePauseOrResume(): (job: Job) => void {
  const { mutateAsync: pause } = usePauseJob();
  const { mutateAsync: resume } = useResumeJob();
  return (job) => {
    if (job.state === 'paused') {
      const undo = () =>
        pause({ id: job.id, note: job.paused?.note ?? null, until: job.paused?.until ?? null });
      resume(job.id).then(() => toast({ text: words.didOne('resume', job.name), undo }), sayProblem);
    } else {
      const undo = () => resume(job.id);
      pause({ id: job.id }).then(() => toast({ text: words.didOne('pause', job.name), undo }), sayProblem);
    }
  };
}

function useActivate(): (job: Job) => void {
  const { mutateAsync: patch } = usePatchJob();
  return (job) => {
    const undo = () => patch({ id: job.id, patch: { state: 'draft' } });
    patch({ id: job.id, patch: { state: 'active' } }).then(
      () => toast({ text: words.didOne('activate', job.name), undo }),
      sayProblem,
    );
  };
}

function useRun(): (job: Job) => void {
  const { mutateAsync: run } = useRunJob();
  const [, navigate] = useLocation();
  const client = useQueryClient();
  return (job) => {
    run(job.id).then((started) => {
      toast({
        text: words.didOne('run', job.name),
        action: { label: words.openRun, onSelect: () => navigate(`/runs/${started.id}`) },
      });
      void client.invalidateQueries({ queryKey: ['jobs', 'runs', job.id] });
    }, sayProblem);
  };
}
