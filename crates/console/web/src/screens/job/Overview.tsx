import { Link, useLocation } from 'wouter';
import { type Run, useLastRuns } from '../../api/queries/jobDetails';
import type { Job } from '../../api/queries/jobs';
import { useStats } from '../../api/queries/stats';
import { History } from '../../charts/History';
import { Lateness } from '../../charts/Lateness';
import { Legend } from '../../charts/Legend';
import { durationParts, percent, ratio } from '../../format';
import { Blank } from '../../parts/Blank';
import { Boundary } from '../../parts/Boundary';
import { FigureRow } from '../../parts/Figures';
import { Loaded } from '../../parts/Loaded';
import { Bars, BlockBar } from '../../parts/Loading';
import { Section } from '../../parts/Section';
import { now, timeOfDay, when } from '../../time';
import { words } from '../../words/en/job';
import { Latest } from './Latest';
import { LedgerPanel } from './LedgerPanel';
import { News } from './News';
import { NextFires } from './NextFires';
import { Why } from './Why';
import { useJobZone } from './zone';

const RUNS = 64;
const WEEK_MS = 7 * 86_400_000;
const REFRESH_MS = 60_000;

/** How the job goes: what fails and why, the last runs, the next ones, the ledger. */
export function Overview({ job }: { job: Job }) {
  const runs = useLastRuns(job.id, RUNS);
  const stats = useWeek(job);
  return (
    <div className="split">
      <div>
        <Boundary>
          <News job={job} runs={runs.data?.data ?? []} />
        </Boundary>
        <Boundary>
          <FigureRow figures={figuresOf(stats.data?.data[0])} />
        </Boundary>
        <Section
          title={words.last(RUNS)}
          end={<Legend marks={['duration', 'retried', 'skipped', 'failed']} />}
        >
          <Loaded query={runs} bars={<BlockBar height={8} />}>
            {({ data }) => <LastRuns job={job} runs={data} />}
          </Loaded>
        </Section>
        <section className="gap" aria-labelledby="latest">
          <div className="head">
            <h2 id="latest">{words.runs}</h2>
            <Link className="small dim" href={`/jobs/${job.id}/runs`}>
              {words.all}
            </Link>
          </div>
          <Boundary>
            <Loaded query={runs} bars={<Bars rows={8} compact />}>
              {({ data }) =>
                data.length > 0 ? (
                  <Latest job={job} runs={data} />
                ) : (
                  <Blank icon="runs" title={words.noRuns}>
                    <p>{words.noRunsWhy}</p>
                  </Blank>
                )
              }
            </Loaded>
          </Boundary>
        </section>
      </div>
      <div className="rail">
        <NextFires job={job} />
        <LedgerPanel job={job} />
        <Why job={job} />
        <LatenessPanel stats={stats} />
      </div>
    </div>
  );
}

function useWeek(job: Job) {
  const window = () => ({ from: new Date(now() - WEEK_MS).toISOString(), step: 86_400, jobId: job.id });
  return useStats(`job-week-${job.id}`, window, { refetchInterval: REFRESH_MS });
}

type Week = NonNullable<ReturnType<typeof useWeek>['data']>['data'][number];

function figuresOf(week: Week | undefined) {
  const totals = week?.totals;
  const ended = totals ? totals.succeeded + totals.failed : 0;
  const rate = totals ? ratio(totals.succeeded, ended) : null;
  const ran = totals ? ended + totals.cancelled : 0;
  const attempts = totals ? ratio(totals.attempts, ran) : null;
  return [
    { name: words.succeeded7d, value: rate === null ? null : percent(rate) },
    { name: words.p50, ...measured(week?.duration_ms.p50) },
    { name: words.p95, ...measured(week?.duration_ms.p95) },
    { name: words.lateness, ...measured(week?.lateness_ms.p99) },
    { name: words.attemptsPerRun, value: attempts === null ? null : String(Number(attempts.toFixed(2))) },
  ];
}

function measured(ms: number | null | undefined) {
  if (ms === null || ms === undefined) return { value: null };
  const [first, second] = durationParts(ms);
  // Two units do not fit beside a figure of this size: the second is part of the first's line.
  return {
    value: first?.value ?? null,
    unit: [first?.unit, second && `${second.value} ${second.unit}`].filter(Boolean).join(' '),
  };
}

function LastRuns({ job, runs }: { job: Job; runs: readonly Run[] }) {
  const zone = useJobZone(job);
  const [, navigate] = useLocation();
  const of = (status: string) => runs.filter((run) => run.status === status).length;
  const retried = runs.filter((run) => run.attempt_count > 1).length;
  const first = firstFailure(runs);
  return (
    <History
      places={RUNS}
      label={words.history(runs.length, of('failed'), retried, of('skipped'))}
      since={first && { id: first.id, text: words.since(when(first.scheduled_for, zone)) }}
      onOpen={(id) => navigate(`/runs/${id}`)}
      runs={[...runs].reverse().map((run) => ({
        id: run.id,
        status: run.status,
        durationMs: run.duration_ms,
        attempts: run.attempt_count,
        clock: timeOfDay(run.scheduled_for, zone, false),
      }))}
    />
  );
}

/** The first of the failures that still go on. */
function firstFailure(runs: readonly Run[]): Run | undefined {
  const ended = runs.filter((run) => run.status === 'failed' || run.status === 'succeeded');
  const lastSuccess = ended.findIndex((run) => run.status === 'succeeded');
  return lastSuccess > 0 ? ended[lastSuccess - 1] : undefined;
}

function LatenessPanel({ stats }: { stats: ReturnType<typeof useWeek> }) {
  const lateness = stats.data?.data[0]?.lateness_ms;
  const n = lateness?.histogram.reduce((sum, range) => sum + range.count, 0) ?? 0;
  if (!lateness || n === 0) return null;
  return (
    <Section title={words.latenessTitle} end={<span className="small dim">{words.latenessRuns(n)}</span>}>
      <Lateness
        histogram={lateness.histogram.map((range) => ({ belowMs: range.below_ms, count: range.count }))}
        p50={lateness.p50}
        p99={lateness.p99}
      />
    </Section>
  );
}
