import { useMemo, useRef, useState } from 'react';
import { Link } from 'wouter';
import type { Spread } from '../../api/queries/forecast';
import { type Applied, type SpreadChange, useApplySpread } from '../../api/queries/spread';
import { Button } from '../../parts/Button';
import { Dialog } from '../../parts/Dialog';
import { type Column, Table } from '../../parts/Table';
import { toast } from '../../parts/toasts';
import { useSelection } from '../../parts/useSelection';
import { common } from '../../words/en';
import { words } from '../../words/en/load';
import { words as parts } from '../../words/en/parts';

const COLUMNS: readonly Column<SpreadChange>[] = [
  {
    id: 'job',
    head: words.job,
    names: true,
    cell: (change) => (
      <Link className="row-link" href={`/jobs/${change.job_id}`}>
        {change.name}
      </Link>
    ),
  },
  {
    id: 'before',
    head: words.before,
    className: 'w-cron',
    cell: (change) => <code className="faint">{change.before}</code>,
  },
  {
    id: 'after',
    head: words.after,
    className: 'w-cron',
    cell: (change) => <code className="plan-text">{change.after}</code>,
  },
];

/** The changes of a suggestion, to choose from and to apply. They are undone as one. */
export function Review({ spread, onClose }: { spread: Spread; onClose: () => void }) {
  const order = useMemo(() => spread.changes.map((it) => it.job_id), [spread]);
  const selection = useSelection(order, false, order);
  const apply = useApplySpread();
  const chosen = spread.changes.filter((it) => selection.keys.has(it.job_id));
  const [done, setDone] = useState(0);
  const stop = useRef(new AbortController());
  function start() {
    stop.current = new AbortController();
    setDone(0);
    apply.mutate(
      { changes: chosen, onProgress: setDone, signal: stop.current.signal },
      { onSuccess: (applied) => say(applied, onClose) },
    );
  }
  return (
    <Dialog
      wide
      title={words.dialogTitle(spread.changes.length)}
      onClose={apply.isPending ? null : onClose}
      footer={
        <>
          {apply.isPending && (
            <span className="dim" role="status">
              {parts.progress(done, chosen.length)}
            </span>
          )}
          <Button onClick={() => (apply.isPending ? stop.current.abort() : onClose())}>
            {apply.isPending ? words.stop : common.cancel}
          </Button>
          <Button
            kind="solid"
            busy={apply.isPending}
            refused={chosen.length === 0 ? words.chooseSome : undefined}
            onClick={start}
          >
            {words.apply(chosen.length)}
          </Button>
        </>
      }
    >
      <p>
        {words.dialogText(spread.before.peak, spread.after.peak)} {spread.has_more && words.hasMore}
      </p>
      <Table
        compact
        label={words.changes}
        columns={COLUMNS}
        rows={spread.changes}
        rowKey={(change) => change.job_id}
        rowName={(change) => change.name}
        selection={selection}
      />
    </Dialog>
  );
}

function say({ done, failed, error, undo }: Applied, onClose: () => void) {
  onClose();
  if (done > 0) toast({ text: words.applied(done), undo });
  const first = failed[0];
  if (first) toast({ text: words.someFailed(failed.length, first.detail), tone: 'failed' });
  if (error) toast({ text: error.message, tone: 'failed' });
}
