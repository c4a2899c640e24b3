import { useState } from 'react';
import { Link } from 'wouter';
import { useJobsBulk } from '../../api/queries/bulk';
import { isEnded, useRunToFollow } from '../../api/queries/editor';
import { type Job, useRunJob } from '../../api/queries/jobs';
import { Lane } from '../../charts/Lane';
import { duration } from '../../format';
import { Button, LinkButton } from '../../parts/Button';
import { ErrorPanel } from '../../parts/ErrorPanel';
import { In } from '../../parts/In';
import { Say } from '../../parts/Say';
import { glyphOf, Status } from '../../parts/Status';
import { toast } from '../../parts/toasts';
import { PlainWhen } from '../../parts/When';
import { Wire } from '../../parts/Wire';
import { textLines } from '../../parts/wireLines';
import { useCan } from '../../shell/workspace';
import { states } from '../../words/en';
import { words } from '../../words/en/import';
import '../../parts/Table.css';
import { ORIGIN } from '../editor/CopyAs';
import { curlOf } from '../editor/curl';
import type { JobInput } from '../editor/definition';
import { phasesOf } from '../editor/tried';

interface Props {
  jobs: readonly Job[];
  /** The bodies that they were created of. */
  inputs: readonly JobInput[];
  onMore: () => void;
}

/** What was created: one job with its next run counting down, or a list. */
export function Created({ jobs, inputs, onMore }: Props) {
  const [job] = jobs;
  const [input] = inputs;
  return jobs.length === 1 && job && input ? (
    <CreatedJob job={job} input={input} onMore={onMore} />
  ) : (
    <CreatedJobs jobs={jobs} onMore={onMore} />
  );
}

function CreatedJob({ job, input, onMore }: { job: Job; input: JobInput; onMore: () => void }) {
  const can = useCan();
  const run = useRunJob();
  const following = run.data?.id ?? job.execution_id ?? null;
  const state =
    job.state === 'draft' ? words.createdDraft : job.state === 'paused' ? words.createdPaused : null;
  return (
    <>
      <Say tone="ok" news>
        <strong>{words.created(job.name)}</strong> {state}{' '}
        {job.next_run_at && job.state === 'active' && (
          <>
            {words.nextRunIn} <PlainWhen at={job.next_run_at} />,{' '}
            <In at={job.next_run_at} className="plan-text strong" />.
          </>
        )}
      </Say>
      <div className="btns gap">
        {can('jobs:run') && job.state !== 'draft' && (
          <Button kind="solid" icon="play" busy={run.isPending} autoFocus onClick={() => run.mutate(job.id)}>
            {following ? words.runAgain : words.runNow}
          </Button>
        )}
        <LinkButton href={`/jobs/${job.id}`}>{words.openJob}</LinkButton>
        <Button kind="ghost" onClick={onMore}>
          {words.another}
        </Button>
      </div>
      {run.error && <ErrorPanel error={run.error} />}
      {following && <Followed id={following} />}
      <section className="sec apart">
        <header>
          <h2>{words.sameJob}</h2>
        </header>
        <SameJob input={input} />
        <p className="hint under">{words.sameJobHint}</p>
      </section>
    </>
  );
}

function SameJob({ input }: { input: JobInput }) {
  const text = curlOf(ORIGIN, { method: 'POST', path: '/v1/jobs', body: input });
  return <Wire label={words.sameJob} lines={textLines(text)} copy={text} />;
}

/** The run as it goes: its state, then its result, its phases and its cause. */
function Followed({ id }: { id: string }) {
  const { data: run, error } = useRunToFollow(id);
  if (error) return <ErrorPanel error={error} />;
  if (!run) return null;
  const attempt = run.attempts?.at(-1);
  const count = run.attempts?.length ?? 0;
  const status = attempt?.status_code ?? null;
  const cause = attempt?.error ?? null;
  return (
    <section className="sec apart" aria-label={words.run}>
      <header>
        <h2>{words.run}</h2>
        <Link href={`/runs/${run.id}`} className="small">
          {words.runDetails}
        </Link>
      </header>
      <div className="answer under" role="status">
        <Status glyph={glyphOf(run.status)}>
          {!isEnded(run.status)
            ? (words.runStates[run.status] ?? run.status)
            : run.status === 'succeeded'
              ? words.runSucceeded(status, duration(attempt?.timing.total_ms), count)
              : words.runFailed(status, count)}
        </Status>
        <span />
        {attempt ? <Lane times={phasesOf(attempt)} format={duration} /> : <span />}
        {cause && (
          <p className="small answer-why" lang="en">
            {cause}
          </p>
        )}
      </div>
    </section>
  );
}

function CreatedJobs({ jobs, onMore }: { jobs: readonly Job[]; onMore: () => void }) {
  const bulk = useJobsBulk();
  const [isResumed, setResumed] = useState(false);
  const paused = jobs.filter((job) => job.state === 'paused');
  const resume = () =>
    bulk.mutate(
      { target: { ids: paused.map((job) => job.id) }, action: { action: 'resume' } },
      {
        onSuccess: (outcome) => {
          setResumed(true);
          toast({ text: words.resumed(outcome.done) });
        },
      },
    );
  return (
    <>
      <Say tone="ok" news>
        <strong>{words.createdMany(jobs.length)}</strong>{' '}
        {paused.length > 0 && !isResumed && words.createdPausedMany}
      </Say>
      <div className="btns gap">
        <LinkButton kind="solid" href="/jobs">
          {words.openJobs}
        </LinkButton>
        {paused.length > 0 && !isResumed && (
          <Button icon="play" busy={bulk.isPending} onClick={resume}>
            {words.resumeAll}
          </Button>
        )}
        <Button kind="ghost" onClick={onMore}>
          {words.another}
        </Button>
      </div>
      {bulk.error && <ErrorPanel error={bulk.error} />}
      <table className="tbl imp gap">
        <caption className="vh">{words.createdJobs}</caption>
        <thead>
          <tr>
            <th scope="col">{words.job}</th>
            <th scope="col">{words.nextRun}</th>
          </tr>
        </thead>
        <tbody>
          {jobs.map((job) => (
            <tr key={job.id}>
              <td>
                <div className="two">
                  <Link href={`/jobs/${job.id}`} className="row-link">
                    {job.name}
                  </Link>
                  <small lang="en">{job.schedule_in_words}</small>
                </div>
              </td>
              <td className="nowrap">
                {job.next_run_at && (job.state === 'active' || isResumed) ? (
                  <PlainWhen at={job.next_run_at} />
                ) : (
                  <span className="faint">
                    {isResumed ? states.active : (states[job.state] ?? job.state)}
                  </span>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}
