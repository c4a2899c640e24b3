import { Link } from 'wouter';
import { type JobVersion, type Run, useJobVersions } from '../../api/queries/jobDetails';
import type { Job } from '../../api/queries/jobs';
import { LinkButton } from '../../parts/Button';
import { Say } from '../../parts/Say';
import { When } from '../../parts/When';
import { dayAndTime, when } from '../../time';
import { words } from '../../words/en/job';
import { fieldName, shown } from './diff';
import { useJobZone } from './zone';

interface Props {
  job: Job;
  /** The newest runs. */
  runs: readonly Run[];
}

/** What the reader has to know first: that it fails, with what came before; that it is paused; what will go wrong. */
export function News({ job, runs }: Props) {
  return (
    <>
      {job.state === 'paused' && <PausedNews job={job} />}
      {job.health.state === 'failing' && <FailingNews job={job} runs={runs} />}
      {job.schedule_error && (
        <Say tone="warn">
          <strong>{words.scheduleError}</strong> {job.schedule_error}
        </Say>
      )}
      {job.warnings?.map((warning) => (
        <Say key={warning} tone="warn">
          {warning}
        </Say>
      ))}
    </>
  );
}

function PausedNews({ job }: { job: Job }) {
  const zone = useJobZone(job);
  const { paused } = job;
  if (!paused) return null;
  return (
    <Say tone="plan">
      <strong>
        {words.pausedBy(paused.by.name ?? words.operator)} <When at={paused.at} zone={zone} />.
      </strong>{' '}
      {paused.note && `${paused.note.replace(/\.$/, '')}. `}
      {paused.until && (
        <>
          {words.resumes} <When at={paused.until} zone={zone} format={dayAndTime} />.
        </>
      )}
    </Say>
  );
}

function FailingNews({ job, runs }: Props) {
  const failed = runs.find((run) => run.status === 'failed');
  const cause = useCause(job, runs);
  const { failures_in_a_row: n } = job.health;
  return (
    <Say
      tone="bad"
      action={
        cause ? (
          <LinkButton
            small
            href={`/jobs/${job.id}/definition?before=${cause.version - 1}&after=${cause.version}`}
          >
            {words.compare(cause.version - 1, cause.version)}
          </LinkButton>
        ) : (
          failed && (
            <LinkButton small href={`/runs/${failed.id}`}>
              {words.openLast}
            </LinkButton>
          )
        )
      }
    >
      <strong>{failed?.error ?? words.failedAs}</strong> {n > 0 && words.failuresInARow(n)}{' '}
      {cause && <Changed job={job} version={cause} runs={runs} />}
    </Say>
  );
}

/** The version that is new in the first of the failures that go on, if the success before it had an older one. */
function useCause(job: Job, runs: readonly Run[]): JobVersion | undefined {
  const versions = useJobVersions(job.id);
  const ended = runs.filter((run) => run.status === 'failed' || run.status === 'succeeded');
  const lastSuccess = ended.findIndex((run) => run.status === 'succeeded');
  const before = ended[lastSuccess];
  const first = ended[lastSuccess - 1];
  if (!before || !first || first.job_version <= before.job_version) return undefined;
  const known = versions.data?.pages.flatMap((page) => page.data) ?? [];
  const found = known.find((version) => version.version === first.job_version);
  return found && found.changes.length > 0 ? found : undefined;
}

function Changed({ job, version, runs }: { job: Job; version: JobVersion; runs: readonly Run[] }) {
  const zone = useJobZone(job);
  const [change, ...others] = version.changes;
  const older = runs.filter((run) => run.job_version < version.version);
  const firstOther = older.findIndex((run) => run.status !== 'succeeded');
  const succeeded = firstOther < 0 ? older.length : firstOther;
  if (!change) return null;
  const by = version.by.name?.split('@')[0] ?? words.operator;
  return (
    <>
      {words.changedBefore(version.version, by, when(version.created_at, zone))}{' '}
      <Link href={`/jobs/${job.id}/definition?before=${version.version - 1}&after=${version.version}`}>
        <code>{fieldName(change.pointer)}</code>
      </Link>
      {isShort(change.before) && isShort(change.after) && (
        <>
          {' '}
          {words.from} <code>{shown(change.before)}</code> {words.to} <code>{shown(change.after)}</code>
        </>
      )}
      {others.length > 0 && ` ${words.moreFields(others.length)}`}. {succeeded > 0 && words.before(succeeded)}
    </>
  );
}

const MAX_INLINE = 60;

function isShort(value: unknown): boolean {
  const text = shown(value);
  return text !== undefined && text.length <= MAX_INLINE;
}
