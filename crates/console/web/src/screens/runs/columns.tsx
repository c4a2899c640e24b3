import { Link } from 'wouter';
import type { Run } from '../../api/queries/executions';
import { duration } from '../../format';
import { glyphOf, Status } from '../../parts/Status';
import type { Column } from '../../parts/Table';
import { PlainWhen } from '../../parts/When';
import { relative, useNow } from '../../time';
import { result } from '../../words/en/results';
import { skipReasons, sources, words } from '../../words/en/runs';

/** The columns of a list of runs. */
export const RUN_COLUMNS: readonly Column<Run>[] = [
  {
    id: 'job',
    head: words.job,
    names: true,
    className: 'w-job',
    cell: (run) => (
      <div className="two">
        <Link className="row-link" href={`/runs/${run.id}`} tabIndex={-1}>
          {run.job_name}
        </Link>
        <small>{run.host}</small>
      </div>
    ),
  },
  {
    id: 'result',
    head: words.result,
    className: 'w-result',
    cell: (run) => (
      <div className="two">
        <Status glyph={glyphOf(run.status)}>{result(run)}</Status>
        <small title={run.error ?? undefined}>
          <Note run={run} />
        </small>
      </div>
    ),
  },
  {
    id: 'due',
    head: words.due,
    className: 'w-due',
    cell: (run) => (
      <div className="two">
        <PlainWhen at={run.scheduled_for} seconds />
        <small>
          <Ago at={run.scheduled_for} />
        </small>
      </div>
    ),
  },
  {
    id: 'late',
    head: words.lateness,
    numeric: true,
    className: 'w-late',
    cell: (run) => <span className="dim">{duration(run.lateness_ms)}</span>,
  },
  {
    id: 'took',
    head: words.duration,
    numeric: true,
    className: 'w-took',
    cell: (run) => duration(run.duration_ms),
  },
  {
    id: 'tries',
    head: words.attempts,
    numeric: true,
    className: 'w-tries',
    cell: (run) => (
      <span className={run.attempt_count > 1 ? undefined : 'dim'}>{run.attempt_count || '–'}</span>
    ),
  },
  {
    id: 'source',
    head: words.source,
    className: 'w-source',
    cell: (run) => <span className="dim">{sources[run.source] ?? run.source}</span>,
  },
];

/** Why, or what is next. */
function Note({ run }: { run: Run }) {
  if (run.skipped)
    return words.skippedMany(run.skipped.count, skipReasons[run.skipped.reason] ?? run.skipped.reason);
  if (run.status === 'retrying' && run.next_attempt_at) return <NextAttempt at={run.next_attempt_at} />;
  if (run.status === 'queued' && run.waiting_for) return words.waitingFor[run.waiting_for] ?? run.waiting_for;
  return run.error ? <span lang="en">{run.error}</span> : null;
}

function NextAttempt({ at }: { at: string }) {
  return words.nextAttempt(relative(at, useNow()));
}

// In lists a second makes no difference after a minute, and what stands still reads better.
function Ago({ at }: { at: string }) {
  const now = useNow();
  const ms = now - Date.parse(at);
  return relative(at, Math.abs(ms) < 60_000 ? now : Date.parse(at) + Math.trunc(ms / 60_000) * 60_000);
}
