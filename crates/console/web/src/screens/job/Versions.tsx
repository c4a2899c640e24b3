import { useSearchParams } from 'wouter';
import { type JobVersion, useJobVersion, useJobVersions } from '../../api/queries/jobDetails';
import { type Job, useJob, usePatchJob } from '../../api/queries/jobs';
import { Button } from '../../parts/Button';
import { Dialog } from '../../parts/Dialog';
import { Diff, DiffLine } from '../../parts/Diff';
import { ErrorPanel } from '../../parts/ErrorPanel';
import { Loaded } from '../../parts/Loaded';
import { Bars } from '../../parts/Loading';
import { Section } from '../../parts/Section';
import { toast } from '../../parts/toasts';
import { When } from '../../parts/When';
import { useCan } from '../../shell/workspace';
import { words } from '../../words/en/job';
import { sayProblem } from '../jobs/actions';
import { differences, fieldName, mergePatch, shown } from './diff';
import { useJobZone } from './zone';

const CHANGES_SHOWN = 4;

/** The versions of the job; each can be compared with another, and restored. What is compared stands in the address. */
export function Versions({ job }: { job: Job }) {
  const versions = useJobVersions(job.id);
  const [params, setParams] = useSearchParams();
  const after = positive(params.get('after')) ?? job.version;
  const before = positive(params.get('before')) ?? positive(params.get('version'));
  const compare = (from: number | null) => setParams(from === null ? {} : { before: String(from) });
  return (
    <Section title={words.versions}>
      <p className="small dim">{words.versionsHow}</p>
      <Loaded query={versions} bars={<Bars rows={4} />}>
        {({ pages }) => (
          <ol className="versions">
            {pages
              .flatMap((page) => page.data)
              .map((version) => (
                <VersionLine key={version.version} job={job} version={version} onCompare={compare} />
              ))}
          </ol>
        )}
      </Loaded>
      {versions.hasNextPage && (
        <Button small busy={versions.isFetchingNextPage} onClick={() => versions.fetchNextPage()}>
          {words.moreVersions}
        </Button>
      )}
      {before !== null && (
        <Comparison
          key={`${before}-${after}`}
          job={job}
          before={before}
          after={after}
          onClose={() => compare(null)}
        />
      )}
    </Section>
  );
}

function positive(text: string | null): number | null {
  const value = Number(text);
  return Number.isInteger(value) && value > 0 ? value : null;
}

interface LineProps {
  job: Job;
  version: JobVersion;
  onCompare: (version: number) => void;
}

function VersionLine({ job, version, onCompare }: LineProps) {
  const zone = useJobZone(job);
  const isCurrent = version.version === job.version;
  const changes = version.changes.slice(0, CHANGES_SHOWN);
  const left = version.changes.length - changes.length;
  return (
    <li>
      <b className="strong">{words.version(version.version)}</b>
      <span className="dim">
        <When at={version.created_at} zone={zone} /> {words.savedBy(version.by.name ?? words.operator)}
        {isCurrent && <span className="faint"> · {words.current}</span>}
      </span>
      <div className="what">
        {changes.length === 0 && (
          <span className="faint">{version.version === 1 ? words.created1 : words.same}</span>
        )}
        {changes.map((change) => (
          <DiffLine
            key={change.pointer}
            change={{
              field: fieldName(change.pointer),
              before: shown(change.before),
              after: shown(change.after),
            }}
          />
        ))}
        {left > 0 && <span className="faint">{words.moreFields(left)}</span>}
      </div>
      {!isCurrent && (
        <div className="btns">
          <Button kind="ghost" small onClick={() => onCompare(version.version)}>
            {words.compareShort}
          </Button>
        </div>
      )}
    </li>
  );
}

interface ComparisonProps {
  job: Job;
  before: number;
  after: number;
  onClose: () => void;
}

function Comparison({ job, before, after, onClose }: ComparisonProps) {
  const old = useJobVersion(job.id, before);
  const recent = useJobVersion(job.id, after);
  const error = old.error ?? recent.error;
  const changes = old.data && recent.data ? differences(old.data.job, recent.data.job) : null;
  return (
    <Dialog
      wide
      title={words.compareTitle(before, after)}
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose} autoFocus>
            {words.closeCompare}
          </Button>
          {old.data && before !== job.version && changes?.length !== 0 && (
            <Restore job={job} version={before} definition={old.data.job} onDone={onClose} />
          )}
        </>
      }
    >
      {error && <ErrorPanel error={error} />}
      {!error && !changes && <Bars rows={3} compact />}
      {changes?.length === 0 && <p>{words.same}</p>}
      {changes && changes.length > 0 && (
        <Diff changes={changes} before={words.version(before)} after={words.version(after)} />
      )}
    </Dialog>
  );
}

interface RestoreProps {
  job: Job;
  version: number;
  definition: Record<string, unknown>;
  onDone: () => void;
}

function Restore({ job, version, definition, onDone }: RestoreProps) {
  const current = useJobVersion(job.id, job.version);
  const patch = usePatchJob();
  const { refetch } = useJob(job.id);
  const can = useCan();
  if (!can('jobs:write')) return null;
  const restore = async () => {
    const now = current.data?.job;
    if (!now) return;
    // The version whose values are replaced: someone else's change since is not.
    const saved = await patch.mutateAsync({
      id: job.id,
      patch: mergePatch(now, definition),
      version: job.version,
    });
    onDone();
    const undo = () =>
      patch.mutateAsync({ id: job.id, patch: mergePatch(definition, now), version: saved.version });
    toast({ text: words.restored(version), undo });
  };
  return (
    <Button
      kind="solid"
      icon="replay"
      busy={patch.isPending || !current.data}
      onClick={() =>
        void restore().catch((error: unknown) => {
          void refetch();
          sayProblem(error);
        })
      }
    >
      {words.restore(version)}
    </Button>
  );
}
