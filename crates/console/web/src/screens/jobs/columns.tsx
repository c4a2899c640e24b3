import { useMemo } from 'react';
import { Link } from 'wouter';
import { useActivity } from '../../api/queries/activity';
import type { Job } from '../../api/queries/jobs';
import { Strip } from '../../charts/Strip';
import { percent, wholeDuration } from '../../format';
import { Menu } from '../../parts/Menu';
import { Method } from '../../parts/Method';
import { glyphOf, Status } from '../../parts/Status';
import type { Column } from '../../parts/Table';
import { Tag } from '../../parts/Tag';
import { PlainWhen } from '../../parts/When';
import { useCan } from '../../shell/workspace';
import { relative, timeOfDay, useNow, useViewerZone, when } from '../../time';
import { words } from '../../words/en/jobs';
import { result } from '../../words/en/results';
import type { JobActions } from './actions';
import { type Rates, useCauses, useRates } from './useRates';

const RUNS = 30;

/** The columns of the list of jobs. */
export function useColumns(actions: JobActions): Column<Job>[] {
  const rates = useRates();
  const causes = useCauses();
  return useMemo(
    () => [
      { id: 'name', head: words.job, names: true, cell: (job) => <NameCell job={job} /> },
      {
        id: 'schedule',
        head: words.schedule,
        className: 'w-sched',
        cell: (job) => <ScheduleCell job={job} />,
      },
      { id: 'strip', head: words.last30, className: 'w-strip', cell: (job) => <StripCell job={job} /> },
      {
        id: 'rate',
        head: words.sevenDays,
        className: 'w-rate',
        numeric: true,
        cell: (job) => <RateCell job={job} rates={rates} />,
      },
      {
        id: 'last',
        head: words.lastRun,
        className: 'w-last',
        cell: (job) => <LastCell job={job} cause={causes.get(job.id)} />,
      },
      { id: 'next', head: words.nextRun, className: 'w-next', cell: (job) => <NextCell job={job} /> },
      {
        id: 'more',
        head: words.more,
        headHidden: true,
        className: 'w-more',
        cell: (job) => <MoreCell job={job} actions={actions} />,
      },
    ],
    [rates, causes, actions],
  );
}

function NameCell({ job }: { job: Job }) {
  return (
    <div className="two">
      <span>
        <Link className="row-link" href={`/jobs/${job.id}`} data-job={job.id} tabIndex={-1}>
          {job.name}
        </Link>{' '}
        {job.tags.map((tag) => (
          <span key={tag}>
            <Tag>{tag}</Tag>{' '}
          </span>
        ))}
      </span>
      <small>
        <Method>{job.request.method}</Method> {job.request.url.replace(/^https?:\/\//, '')}
      </small>
    </div>
  );
}

/** The schedule as a machine reads it. */
export function expressionOf(job: Pick<Job, 'schedule'>): string {
  const { schedule } = job;
  if (!schedule) return words.once;
  if ('cron' in schedule) return schedule.cron;
  if ('run_at' in schedule) return schedule.run_at;
  return words.everyMinutes(schedule.every_n_minutes);
}

function ScheduleCell({ job }: { job: Job }) {
  return (
    <div className="two">
      <span className="sched" lang="en">
        {job.schedule_in_words}
      </span>
      <small className="mono">{expressionOf(job)}</small>
    </div>
  );
}

function StripCell({ job }: { job: Job }) {
  const { data } = useActivity(job.id, RUNS);
  if (!data) return <span className="strip-place" />;
  const runs = [...data].reverse().map((run) => ({
    id: run.id,
    status: run.status,
    durationMs: run.duration_ms,
    attempts: run.attempt_count,
  }));
  const failed = runs.filter((run) => run.status === 'failed').length;
  return <Strip runs={runs} places={RUNS} label={words.strip(job.name, runs.length, failed)} />;
}

function RateCell({ job, rates }: { job: Job; rates: Rates }) {
  const rate = rates(job);
  return rate === null ? <span className="faint">–</span> : percent(rate);
}

function LastCell({
  job,
  cause,
}: {
  job: Job;
  cause: { status_code: number | null; error_class: string | null } | undefined;
}) {
  const { data } = useActivity(job.id, RUNS);
  const newest = data?.[0];
  const last = job.last_execution;
  const shown = newest && (!last || newest.scheduled_for >= last.scheduled_for) ? newest : last;
  if (!shown) return <Status glyph="queue">{words.hasNotRun}</Status>;
  const attempts = shown === newest ? newest.attempt_count : 1;
  const about = shown.status === 'failed' ? cause : undefined;
  const glyph = glyphOf(shown.status);
  return (
    <div className="two">
      <Status glyph={glyph}>
        {shown.status === 'running' ? (
          <Running since={shown.scheduled_for} />
        ) : (
          result({ ...shown, attempt_count: 1, ...about })
        )}
      </Status>
      <small>
        <PlainWhen at={shown.scheduled_for} />
        {attempts > 1 && `, ${words.attempts(attempts)}`}
      </small>
    </div>
  );
}

function Running({ since }: { since: string }) {
  return (
    <>
      {words.running}, {wholeDuration(useNow() - Date.parse(since))}
    </>
  );
}

function NextCell({ job }: { job: Job }) {
  const zone = useViewerZone();
  if (job.state === 'paused') return <PausedCell job={job} />;
  if (job.state === 'draft') return <Status glyph="draft">{words.draft}</Status>;
  if (job.state === 'completed') return <Status glyph="done">{words.done}</Status>;
  if (!job.next_run_at)
    return <span className="faint">{job.schedule_error ? words.warned : words.noNext}</span>;
  return (
    <div className="two">
      <time className="strong" dateTime={job.next_run_at}>
        {nextTime(job.next_run_at, zone)}
      </time>
      <small className={job.warnings?.length ? 'warn-text' : undefined} title={job.warnings?.join('\n')}>
        {job.warnings?.length ? warningOf(job.warnings[0] ?? '') : <Countdown at={job.next_run_at} />}
      </small>
    </div>
  );
}

// Seconds only for what is near: a job at 02:30 tomorrow has none worth reading.
function nextTime(at: string, zone: string): string {
  const isNear = Date.parse(at) - Date.now() < 3_600_000;
  return isNear ? timeOfDay(at, zone) : when(at, zone);
}

function Countdown({ at }: { at: string }) {
  const instant = useNow();
  return Date.parse(at) <= instant ? words.due : relative(at, instant);
}

function warningOf(warning: string): string {
  return warning.includes('secret') ? words.secretMissing : words.warned;
}

function PausedCell({ job }: { job: Job }) {
  const zone = useViewerZone();
  const { paused } = job;
  const until = paused?.until && words.pausedUntil(when(paused.until, zone));
  const by = paused?.by.name && words.pausedBy(paused.by.name.split('@')[0] ?? '');
  return (
    <div className="two" title={paused?.note ?? undefined}>
      <Status glyph="pause">{words.paused}</Status>
      <small>{until ?? paused?.note ?? by}</small>
    </div>
  );
}

function MoreCell({ job, actions }: { job: Job; actions: JobActions }) {
  const can = useCan();
  const needs = (scope: 'jobs:write' | 'jobs:run') => (can(scope) ? undefined : words.scopeMissing(scope));
  const isPaused = job.state === 'paused';
  const canPause = isPaused || job.state === 'active';
  return (
    <Menu
      kind="ghost"
      small
      icon="more"
      label={words.moreFor(job.name)}
      items={[
        { label: words.open, keys: 'Enter', icon: 'right', href: `/jobs/${job.id}` },
        {
          label: words.edit,
          keys: 'E',
          icon: 'edit',
          refused: needs('jobs:write'),
          onSelect: () => actions.edit(job),
        },
        {
          label: words.runNow,
          keys: 'R',
          icon: 'bolt',
          refused: needs('jobs:run'),
          onSelect: () => actions.run(job),
        },
        ...(canPause
          ? [
              {
                label: isPaused ? words.resume : words.pause,
                keys: 'P',
                icon: isPaused ? ('play' as const) : ('pause' as const),
                refused: needs('jobs:write'),
                onSelect: () => actions.pauseOrResume(job),
              },
            ]
          : []),
        { label: words.copyId, icon: 'copy', onSelect: () => void navigator.clipboard.writeText(job.id) },
        'line',
        {
          label: words.delete,
          icon: 'trash',
          danger: true,
          refused: needs('jobs:write'),
          onSelect: () => actions.remove(job),
        },
      ]}
    />
  );
}
