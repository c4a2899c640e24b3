import { Link } from 'wouter';
import { useActivity } from '../../api/queries/activity';
import type { Cause } from '../../api/queries/failures';
import type { Job } from '../../api/queries/jobs';
import { Strip } from '../../charts/Strip';
import { Button, LinkButton } from '../../parts/Button';
import { Glyph } from '../../parts/Glyph';
import { PlainWhen } from '../../parts/When';
import { useCan } from '../../shell/workspace';
import { useViewerZone, when } from '../../time';
import { causeHint, causeTitle, words } from '../../words/en/failures';
import { usePause } from './usePause';
import './cause.css';

const STRIP_RUNS = 22;

interface Props {
  cause: Cause;
  /** The failing jobs that are known, for their schedules and states. */
  jobs: ReadonlyMap<string, Job> | undefined;
  /** How many jobs are shown. */
  most: number;
}

/** One cause of failures: what the host does, what can be done, and the jobs that it concerns. */
export function CauseItem({ cause, jobs, most }: Props) {
  const zone = useViewerZone();
  const now = cause.jobs.some((job) => job.failures_in_a_row > 0);
  const shown = cause.jobs.slice(0, most);
  const hint = causeHint(cause);
  return (
    <article className="cause">
      <header>
        <Glyph name={now ? 'bad' : 'ok'} />
        <h3>{causeTitle(cause)}</h3>
        <div className="btns">
          <PauseButton cause={cause} jobs={jobs} />
          <LinkButton small href={runsOf(cause)}>
            {words.runs(cause.executions)}
          </LinkButton>
        </div>
      </header>
      <p>
        {hint && `${hint} `}
        {words.seen(when(cause.first_at, zone))} <LastRun cause={cause} />.
      </p>
      <ul>
        {shown.map((job) => (
          <CauseJob
            key={job.id}
            id={job.id}
            name={job.name}
            job={jobs?.get(job.id)}
            failing={job.failures_in_a_row}
          />
        ))}
        {cause.jobs_count > shown.length && (
          <li>
            <Link className="dim small" href={jobsOf(cause)}>
              {words.moreJobs(cause.jobs_count - shown.length)}
            </Link>
          </li>
        )}
      </ul>
    </article>
  );
}

interface JobProps {
  id: string;
  name: string;
  job: Job | undefined;
  failing: number;
}

function CauseJob({ id, name, job, failing }: JobProps) {
  const activity = useActivity(id, STRIP_RUNS);
  const runs = (activity.data ?? []).map((run) => ({
    id: run.id,
    status: run.status,
    durationMs: run.duration_ms,
    attempts: run.attempt_count,
  }));
  const note =
    failing === 0 ? words.wellAgain : job?.state === 'paused' ? words.paused : job?.schedule_in_words;
  return (
    <li>
      <Link className="cut" href={`/jobs/${id}`}>
        {name}
      </Link>
      <span className="faint small cut">{note}</span>
      <Strip runs={runs.reverse()} places={STRIP_RUNS} size="small" />
    </li>
  );
}

/** Pauses the jobs of a cause, or resumes them; it needs all their ids, which a cause of many jobs does not name. */
function PauseButton({ cause, jobs }: { cause: Cause; jobs: ReadonlyMap<string, Job> | undefined }) {
  const can = useCan();
  const { isBusy, pause, resume } = usePause();
  const failing = cause.jobs.filter((job) => job.failures_in_a_row > 0).map((job) => job.id);
  if (!can('jobs:write') || !jobs || failing.length === 0) return null;
  if (cause.jobs_count > cause.jobs.length) {
    return (
      <LinkButton small href={jobsOf(cause)}>
        {words.jobsOf(cause.jobs_count)}
      </LinkButton>
    );
  }
  const active = failing.filter((id) => jobs.get(id)?.state === 'active');
  const paused = failing.filter((id) => jobs.get(id)?.state === 'paused');
  if (active.length > 0) {
    return (
      <Button small busy={isBusy} onClick={() => pause(active)}>
        {words.pause(active.length)}
      </Button>
    );
  }
  if (paused.length === 0) return null;
  return (
    <Button small busy={isBusy} onClick={() => resume(paused)}>
      {words.resume(paused.length)}
    </Button>
  );
}

/** The address of the runs of a cause. */
export function runsOf(cause: Cause): string {
  const query = new URLSearchParams({ status: 'failed', host: cause.host, error: cause.error_class });
  if (cause.status_code !== null) query.set('http', String(cause.status_code));
  return `/runs?${query}`;
}

function jobsOf(cause: Cause): string {
  return `/jobs?${new URLSearchParams({ host: cause.host, health: 'failing' })}`;
}

/** When the last run of a cause was, as a link to it. */
function LastRun({ cause }: { cause: Cause }) {
  return (
    <Link href={`/runs/${cause.sample_execution_id}`}>
      {words.lastRun} <PlainWhen at={cause.last_at} />
    </Link>
  );
}
