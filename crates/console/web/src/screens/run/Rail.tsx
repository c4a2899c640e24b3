import { Link } from 'wouter';
import type { Run } from '../../api/queries/executions';
import type { Job } from '../../api/queries/jobs';
import {
  type Attempt,
  hasEnded,
  useChannelNames,
  useJobRules,
  useNeighbours,
  useRunNotifications,
} from '../../api/queries/run';
import { Strip } from '../../charts/Strip';
import { bytes, duration } from '../../format';
import { Fact, Facts } from '../../parts/Facts';
import { Id } from '../../parts/Id';
import { Loaded } from '../../parts/Loaded';
import { Bars, BlockBar } from '../../parts/Loading';
import { Section } from '../../parts/Section';
import { glyphOf, Status } from '../../parts/Status';
import { PlainWhen, When } from '../../parts/When';
import { date, type Instant, timeOfDay, zoneName } from '../../time';
import { words } from '../../words/en/run';

interface Props {
  run: Run;
  job: Job | undefined;
  zone: string;
}

/** 30 Nov, 14:00:00 */
function dateAndTime(at: Instant, zone: string): string {
  return `${date(at, zone)}, ${timeOfDay(at, zone)}`;
}

/** What is known of a run, in figures and names. */
export function Details({ run, job, zone, attempt }: Props & { attempt: Attempt | undefined }) {
  const sent = attempt?.remote_address;
  return (
    <Section title={words.details}>
      <Facts>
        <Fact name={words.due}>
          <When at={run.scheduled_for} zone={zone} format={dateAndTime} millis />{' '}
          <span className="faint">{zoneName(zone)}</span>
        </Fact>
        <Fact name={words.lateness}>{duration(run.lateness_ms)}</Fact>
        <Fact name={words.finishedAt}>
          <When at={run.finished_at} zone={zone} format={timeOfDay} millis />
        </Fact>
        <Fact name={words.duration}>{duration(run.duration_ms)}</Fact>
        <Fact name={words.source}>
          <Source run={run} job={job} />
        </Fact>
        <Fact name={words.job}>
          {job ? <Link href={`/jobs/${run.job_id}`}>{run.job_name}</Link> : run.job_name},{' '}
          {words.version(run.job_version)}
        </Fact>
        {sent && <Fact name={words.remote}>{[sent, attempt.http_version].filter(Boolean).join(', ')}</Fact>}
        {attempt && attempt.status_code !== null && (
          <Fact name={words.responseSize}>
            {words.kept(bytes(attempt.response_bytes), !attempt.body_truncated)}
          </Fact>
        )}
        <Fact name={words.id}>
          <Id id={run.id} name={words.idName} />
        </Fact>
      </Facts>
    </Section>
  );
}

function Source({ run, job }: { run: Run; job: Job | undefined }) {
  const name = words.sources[run.source] ?? run.source;
  if (run.replay_of) {
    return (
      <>
        {name} <Link href={`/runs/${run.replay_of}`}>{`…${run.replay_of.slice(-4)}`}</Link>
      </>
    );
  }
  // The expression of another version would be wrong here.
  const cron =
    job?.version === run.job_version && job.schedule && 'cron' in job.schedule ? job.schedule.cron : null;
  return (
    <>
      {name} {run.source === 'schedule' && cron && <code className="faint">{cron}</code>}
    </>
  );
}

/** Who was notified of it; if no one was, when the job notifies. */
export function Notified({ run, job }: { run: Run; job: Job | undefined }) {
  const query = useRunNotifications(run.id, !hasEnded(run));
  const channels = useChannelNames((query.data?.data.length ?? 0) > 0).data;
  return (
    <Section
      title={words.notified}
      end={
        job && (
          <Link className="small dim" href={`/jobs/${job.id}/alerts`}>
            {words.changeRules}
          </Link>
        )
      }
    >
      <Loaded query={query} bars={<Bars rows={1} compact />}>
        {({ data }) =>
          data.length === 0 ? (
            <RulesOf job={job} />
          ) : (
            <ul className="run-notified">
              {data.map((it) => (
                <li key={it.id}>
                  <Status glyph={glyphOf(it.status)}>
                    {words.notification(
                      channels ? (channels.get(it.channel_id) ?? words.channelGone) : '…',
                      words.events[it.event] ?? it.event,
                    )}
                  </Status>
                  <span className="faint small">
                    <PlainWhen at={it.finished_at ?? it.created_at} seconds />
                  </span>
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
    </Section>
  );
}

function RulesOf({ job }: { job: Job | undefined }) {
  const { data } = useJobRules(job?.id ?? '', job !== undefined);
  const said = data?.data.map((rule) => {
    const describe = words.rule[rule.event];
    return describe ? describe(rule.after_failures ?? 1) : words.ruleOther(rule.event);
  });
  return (
    <p className="small dim">
      {words.notifiedNone} {said && (said.length > 0 ? words.rules([...new Set(said)]) : words.rulesNone)}
    </p>
  );
}

/** The runs of the job around this one. */
export function Nearby({ run }: { run: Run }) {
  const query = useNeighbours(run, !hasEnded(run));
  return (
    <Section
      title={words.nearby}
      end={
        <Link className="small dim" href={`/runs?job=${run.job_id}`}>
          {words.allRuns}
        </Link>
      }
    >
      <Loaded query={query} bars={<BlockBar height={4} />}>
        {(runs) => {
          const at = runs.findIndex((it) => it.id === run.id);
          const failed = runs.filter((it) => it.status === 'failed').length;
          const retried = runs.filter((it) => it.status === 'succeeded' && it.attempt_count > 1).length;
          const own =
            run.status === 'failed'
              ? 'failed'
              : run.status === 'succeeded' && run.attempt_count > 1
                ? 'retried'
                : null;
          return (
            <>
              <div className="run-strip">
                <Strip
                  places={runs.length}
                  chosen={run.id}
                  label={words.place(at + 1, runs.length)}
                  runs={runs.map((it) => ({
                    id: it.id,
                    status: it.status,
                    durationMs: it.duration_ms,
                    attempts: it.attempt_count,
                  }))}
                />
              </div>
              <p className="small dim">
                {words.place(at + 1, runs.length)} {words.neighbours(failed, retried, own)}
              </p>
            </>
          );
        }}
      </Loaded>
    </Section>
  );
}
