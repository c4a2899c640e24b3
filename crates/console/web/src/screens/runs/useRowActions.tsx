import { useLocation } from 'wouter';
import type { Run } from '../../api/queries/executions';
import { useCancelRun, useReplayRun } from '../../api/queries/run';
import { Menu, type MenuItem } from '../../parts/Menu';
import type { Column } from '../../parts/Table';
import { toast } from '../../parts/toasts';
import { useCan } from '../../shell/workspace';
import { words as parts } from '../../words/en/parts';
import { words } from '../../words/en/runs';
import { RUN_COLUMNS } from './columns';
import { isOpen, type Query, withChips } from './filter';
import { useNarrow } from './useNarrow';

const NARROW_COLUMNS = ['job', 'result', 'due'];

/** What can be done with one row: its menu and its keys. */
export function useRowActions(query: Query, onChange: (query: Query) => void) {
  const [, navigate] = useLocation();
  const can = useCan();
  const replay = useReplayRun();
  const cancel = useCancelRun();
  const refused = can('jobs:run') ? undefined : words.scopeMissing('jobs:run');
  const failed = (error: Error) => toast({ text: error.message, tone: 'failed' });
  const replayRun = (run: Run) => {
    if (refused || replay.isPending) return;
    replay.mutate(run.id, {
      onSuccess: (made) =>
        toast({
          text: words.did('replay', 1),
          action: { label: words.openReplay, onSelect: () => navigate(`/runs/${made.id}`) },
        }),
      onError: failed,
    });
  };
  const cancelRun = (run: Run) =>
    cancel.mutate(run.id, { onSuccess: () => toast({ text: words.did('cancel', 1) }), onError: failed });
  const itemsOf = (run: Run): MenuItem[] => [
    { label: words.open, icon: 'right', href: `/runs/${run.id}` },
    { label: words.openJob, icon: 'jobs', href: `/jobs/${run.job_id}` },
    'line',
    {
      label: words.replay,
      icon: 'replay',
      keys: 'R',
      onSelect: () => replayRun(run),
      ...(refused && { refused }),
    },
    ...(isOpen(run.status)
      ? [
          {
            label: words.cancelOne,
            icon: 'x' as const,
            onSelect: () => cancelRun(run),
            ...(refused && { refused }),
          },
        ]
      : []),
    'line',
    {
      label: words.onlyThisJob,
      icon: 'filter',
      onSelect: () => onChange(withChips(query, { job: run.job_id })),
    },
    {
      label: words.onlyThisHost,
      icon: 'filter',
      onSelect: () => onChange(withChips(query, { host: run.host })),
    },
    { label: words.copyId, icon: 'copy', onSelect: () => void navigator.clipboard.writeText(run.id) },
  ];
  const more: Column<Run> = {
    id: 'more',
    head: words.more,
    headHidden: true,
    className: 'w-more',
    cell: (run) => (
      <Menu kind="ghost" small icon="more" label={parts.moreFor(run.job_name)} items={itemsOf(run)} />
    ),
  };
  const narrow = RUN_COLUMNS.filter((column) => NARROW_COLUMNS.includes(column.id));
  const columns: readonly Column<Run>[] = useNarrow() ? narrow : [...RUN_COLUMNS, more];
  const onRowKey = (key: string, run: Run) => {
    if (key.toLowerCase() !== 'r') return false;
    replayRun(run);
    return true;
  };
  return { columns, onRowKey };
}
