import { useParams, useSearchParams } from 'wouter';
import { Problem } from '../../api/problem';
import type { Run } from '../../api/queries/executions';
import { type Job, useJob } from '../../api/queries/jobs';
import { useRun } from '../../api/queries/run';
import { Blank } from '../../parts/Blank';
import { Boundary } from '../../parts/Boundary';
import { LinkButton } from '../../parts/Button';
import { Glyph } from '../../parts/Glyph';
import { Loaded } from '../../parts/Loaded';
import { Bars } from '../../parts/Loading';
import { glyphOf } from '../../parts/Status';
import { Page } from '../../shell/Page';
import { timeOfDay, useNow, useViewerZone } from '../../time';
import { words } from '../../words/en/run';
import { AttemptSection } from './AttemptSection';
import { AttemptsSection } from './AttemptsSection';
import { attemptNumber } from './attempts';
import { Details, Nearby, Notified } from './Rail';
import { RequestSection } from './RequestSection';
import { RESPONSE_VIEWS, type ResponseView } from './Response';
import { RunActions } from './RunActions';
import { Evidence, verdict } from './verdict';
import './run.css';

/** One run: what became of it, and why. */
export default function RunPage() {
  const { id } = useParams<{ id: string }>();
  // Another run is another page: nothing of the one before stays.
  return <OneRun key={id} id={id} />;
}

function OneRun({ id }: { id: string }) {
  const query = useRun(id);
  if (query.data) return <KnownRun run={query.data} />;
  const isGone = query.error instanceof Problem && query.error.status === 404;
  return (
    <Page title={words.title} crumbs={[{ label: words.runs, href: '/runs' }]}>
      <h1 className="vh">{words.title}</h1>
      {isGone ? (
        <Blank icon="runs" title={words.gone} action={<LinkButton href="/runs">{words.toRuns}</LinkButton>}>
          <p>{words.goneWhy}</p>
        </Blank>
      ) : (
        <Loaded query={query} bars={<Bars rows={8} />}>
          {() => null}
        </Loaded>
      )}
    </Page>
  );
}

function KnownRun({ run }: { run: Run }) {
  // A job that was deleted has runs, and no page.
  const job = useJob(run.job_id).data;
  const viewer = useViewerZone();
  const zone = job?.schedule && 'timezone' in job.schedule ? job.schedule.timezone : viewer;
  return (
    <Page
      title={timeOfDay(run.scheduled_for, zone)}
      crumbs={[
        { label: words.jobs, href: '/jobs' },
        { label: run.job_name, href: `/jobs/${run.job_id}` },
      ]}
      className="run-page"
    >
      <Content run={run} job={job} zone={zone} />
    </Page>
  );
}

interface Props {
  run: Run;
  job: Job | undefined;
  zone: string;
}

function Content({ run, job, zone }: Props) {
  const [params, setParams] = useSearchParams();
  const attempts = run.attempts ?? [];
  const number = attemptNumber(params.get('attempt'), attempts);
  const attempt = attempts.find((it) => it.number === number);
  const asked = params.get('view') as ResponseView;
  const view = RESPONSE_VIEWS.includes(asked) ? asked : 'body';
  const set = (key: string, value: string) =>
    setParams(
      (was) => {
        was.set(key, value);
        return was;
      },
      { replace: true },
    );
  const choose = (chosen: number) => set('attempt', String(chosen));
  return (
    <>
      <div className="titlebar">
        <div>
          <Heading run={run} zone={zone} />
        </div>
        <Boundary>
          <RunActions run={run} attempt={number} />
        </Boundary>
      </div>
      <div className="split">
        <div>
          <AttemptsSection run={run} chosen={number} onChoose={choose} />
          {attempt && (
            <>
              <AttemptSection
                {...{ run, attempts, attempt, view }}
                onChoose={choose}
                onView={(chosen) => set('view', chosen)}
              />
              <RequestSection run={run} attempt={attempt.number} />
            </>
          )}
        </div>
        <div className="rail">
          <Details {...{ run, job, zone, attempt }} />
          <Notified run={run} job={job} />
          <Nearby run={run} />
        </div>
      </div>
    </>
  );
}

function Heading({ run, zone }: { run: Run; zone: string }) {
  const now = useNow();
  return (
    <>
      <h1 aria-live="polite">
        <Glyph name={glyphOf(run.status)} size={20} />
        {verdict(run, now)}
      </h1>
      <p>
        <Evidence run={run} zone={zone} now={now} />
      </p>
    </>
  );
}
