import { type FormEvent, useState } from 'react';
import { Link, useSearchParams } from 'wouter';
import { useExplanation } from '../../api/queries/jobDetails';
import type { Job } from '../../api/queries/jobs';
import { Button } from '../../parts/Button';
import { ErrorPanel } from '../../parts/ErrorPanel';
import { Section } from '../../parts/Section';
import { instantOf, localOf, now, when } from '../../time';
import { words } from '../../words/en/job';
import { fieldName } from './diff';
import { useJobZone } from './zone';

const MINUTE_MS = 60_000;

/** Answers why the job did or did not run at an instant. The question stands in the address. */
export function Why({ job }: { job: Job }) {
  const zone = useJobZone(job);
  const [params, setParams] = useSearchParams();
  const at = params.get('at');
  const asked = at && !Number.isNaN(Date.parse(at)) ? at : null;
  const [local, setLocal] = useState(() => localOf(asked ?? now() - (now() % MINUTE_MS), zone));
  const ask = (instant: string | null) => {
    if (!instant) return;
    setLocal(localOf(instant, zone));
    setParams(
      (before) => {
        before.set('at', instant);
        return before;
      },
      { replace: true },
    );
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    ask(instantOf(local, zone));
  };
  return (
    <Section title={words.why}>
      <form className="why" onSubmit={submit}>
        <input
          id="why-at"
          className="input"
          type="datetime-local"
          required
          aria-label={words.whyWhen(zone)}
          title={words.whyWhen(zone)}
          value={local}
          onChange={(event) => setLocal(event.target.value)}
        />
        <Button type="submit">{words.ask}</Button>
      </form>
      <div role="status">{asked && <Answer job={job} at={asked} onAsk={ask} />}</div>
    </Section>
  );
}

function Answer({ job, at, onAsk }: { job: Job; at: string; onAsk: (instant: string) => void }) {
  const zone = useJobZone(job);
  const { data, error, refetch } = useExplanation(job.id, at);
  if (error) return <ErrorPanel error={error} onRetry={() => refetch()} />;
  if (!data) return null;
  const verdict = words.verdicts[data.verdict];
  return (
    <div className="why-answer">
      <p lang="en">
        {verdict && <strong>{verdict}</strong>} {data.sentence} {data.note}
      </p>
      <p className="small links">
        {data.execution_id && <Link href={`/runs/${data.execution_id}`}>{words.theRun}</Link>}
        {data.blocking_execution_id && (
          <Link href={`/runs/${data.blocking_execution_id}`}>{words.blockingRun}</Link>
        )}
        <Link href={`/jobs/${job.id}/definition?version=${data.version}`}>
          {data.field ? words.fieldIn(fieldName(data.field), data.version) : words.inVersion(data.version)}
        </Link>
      </p>
      <div className="btns">
        {data.earlier && (
          <Button kind="ghost" small icon="left" onClick={() => onAsk(data.earlier ?? '')}>
            {when(data.earlier, zone)}
          </Button>
        )}
        {data.later && (
          <Button kind="ghost" small iconEnd="right" onClick={() => onAsk(data.later ?? '')}>
            {when(data.later, zone)}
          </Button>
        )}
      </div>
    </div>
  );
}
