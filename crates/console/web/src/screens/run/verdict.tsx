import type { ReactNode } from 'react';
import type { Run } from '../../api/queries/executions';
import { duration, wholeDuration } from '../../format';
import { relative, when } from '../../time';
import { words } from '../../words/en/run';
import { failureGroups, retryAfterMs } from './attempts';

/** What became of a run, in a few words. */
export function verdict(run: Run, now: number): string {
  switch (run.status) {
    case 'succeeded':
      return words.succeeded(run.attempt_count);
    case 'failed':
      return words.failed(failure(run), run.attempt_count);
    case 'running':
      return words.running(Math.max(1, (run.attempts?.length ?? 0) + 1));
    case 'retrying':
      return words.retrying(run.attempt_count + 1, until(run.next_attempt_at, now));
    case 'queued':
      return (run.waiting_for && words.waiting[run.waiting_for]) ?? words.queued;
    case 'cancelled':
      return words.cancelledTitle;
    case 'skipped':
      return (run.skipped && words.skipped[run.skipped.reason]) ?? words.skippedTitle;
    default:
      return run.status;
  }
}

function failure(run: Run): string {
  return run.status_code === null ? words.failure(run.error_class) : words.response(run.status_code);
}

function until(at: string | null, now: number): string {
  return at && Date.parse(at) > now ? relative(at, now) : words.retryNow;
}

/** The evidence for the verdict: when it ended, and what the target did. */
export function Evidence({ run, zone, now }: { run: Run; zone: string; now: number }): ReactNode {
  if (run.skipped) {
    const { count, first, last } = run.skipped;
    return words.skippedWhy(count, when(first, zone), when(last, zone));
  }
  const due = Date.parse(run.scheduled_for);
  const since = run.finished_at
    ? words.finished(duration(Date.parse(run.finished_at) - due))
    : run.started_at
      ? words.started(duration(Date.parse(run.started_at) - due))
      : words.dueSince(relative(run.scheduled_for, now));
  return (
    <>
      {since}{' '}
      {run.error && run.status !== 'succeeded' ? <span lang="en">{run.error}</span> : <Failures run={run} />}
    </>
  );
}

/** What failed before the attempt that succeeded, or that goes on. */
function Failures({ run }: { run: Run }) {
  const attempts = run.attempts ?? [];
  const groups = failureGroups(attempts);
  if (groups.length === 0) return null;
  const said = groups.map((it) => ({
    what: it.status === null ? words.error(it.errorClass) : String(it.status),
    n: it.n,
  }));
  const areResponses = groups.every((it) => it.status !== null);
  const waits = attempts.map(retryAfterMs).filter((ms) => ms !== null && ms > 0);
  const longest = Math.max(0, ...waits.map((ms) => ms ?? 0));
  return (
    <>
      {areResponses ? words.responded(run.host, said) : words.before(said)}
      {longest > 0 && (
        <>
          {words.askedToWait(wholeDuration(longest))}
          <code>{words.retryAfter}</code>
        </>
      )}
      .
    </>
  );
}
