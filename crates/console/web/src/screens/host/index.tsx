import { Link, useParams } from 'wouter';
import { useNewestRuns } from '../../api/queries/executions';
import {
  type FailureCause,
  type Host,
  useHostFailures,
  useHostStats,
  useHosts,
} from '../../api/queries/hosts';
import { count, duration, durationParts, percent, ratio } from '../../format';
import { Blank } from '../../parts/Blank';
import { Button, LinkButton } from '../../parts/Button';
import { type Figure, Figures } from '../../parts/Figures';
import { Glyph } from '../../parts/Glyph';
import { Loaded } from '../../parts/Loaded';
import { Bars } from '../../parts/Loading';
import { Say } from '../../parts/Say';
import { Section } from '../../parts/Section';
import { Table } from '../../parts/Table';
import { type Shortcut, useKeys } from '../../shell/keys';
import { Page } from '../../shell/Page';
import { now, useViewerZone, when } from '../../time';
import { words } from '../../words/en/host';
import { words as hostsWords } from '../../words/en/hosts';
import { useHostActions } from '../hosts/useHostActions';
import { RUN_COLUMNS } from '../runs/columns';
import { useNarrow } from '../runs/useNarrow';
import { HostJobs } from './HostJobs';
import { HostTimeline } from './HostTimeline';
import { windows } from './timeline';
import '../runs/runs.css';
import './host.css';

/** One host: how it does, why its jobs fail, and a pause for all of them. */
export default function HostPage() {
  const host = useParams<{ host: string }>().host ?? '';
  const query = useHosts();
  const found = query.data?.data.find((it) => it.host === host);
  return (
    <Page key={host} title={host} crumbs={[{ label: words.hosts, href: '/hosts' }]}>
      <Loaded query={query} bars={<Bars rows={6} />}>
        {() => (found ? <Known host={found} /> : <Unknown host={host} />)}
      </Loaded>
    </Page>
  );
}

function Unknown({ host }: { host: string }) {
  return (
    <>
      <h1 className="vh">{host}</h1>
      <Blank
        icon="hosts"
        title={words.gone(host)}
        action={
          <>
            <LinkButton href="/hosts">{words.toHosts}</LinkButton>
            <LinkButton href={`/runs?host=${encodeURIComponent(host)}`}>{words.allRuns}</LinkButton>
          </>
        }
      >
        <p>{words.goneWhy}</p>
      </Blank>
    </>
  );
}

function Known({ host }: { host: Host }) {
  const name = encodeURIComponent(host.host);
  const causes = useHostFailures(host.host).data ?? [];
  return (
    <>
      <div className="titlebar">
        <div>
          <h1>
            <Glyph name={host.failing > 0 ? 'bad' : host.active === 0 ? 'pause' : 'ok'} size={20} />
            {host.host}
          </h1>
          <p>{host.failing > 0 ? words.failing(host.failing, host.active) : words.well(host.active)}</p>
        </div>
        <div className="btns">
          <LinkButton icon="runs" href={`/runs?host=${name}`}>
            {words.runs}
          </LinkButton>
          <LinkButton icon="radar" href={`/load?host=${name}`}>
            {words.load}
          </LinkButton>
          <PauseAll host={host} />
        </div>
      </div>
      {causes.length > 0 && (
        <div className="host-causes">
          {causes.map((cause) => (
            <Cause key={cause.id} cause={cause} />
          ))}
        </div>
      )}
      <HostFigures host={host} />
      <HostTimeline host={host.host} />
      <HostJobs host={host.host} />
      <NewestRuns host={host.host} />
    </>
  );
}

function PauseAll({ host }: { host: Host }) {
  const { pause, resume, refused, busy } = useHostActions();
  const paused = host.jobs - host.active;
  const keys: Shortcut[] = [
    {
      keys: 'P',
      label: hostsWords.keyPause,
      icon: 'pause',
      run: () => !refused && !busy && pause(host.host),
    },
  ];
  useKeys(host.active > 0 ? keys : []);
  return (
    <>
      {paused > 0 && (
        <Button icon="play" busy={busy} refused={refused} onClick={() => resume(host.host)}>
          {hostsWords.resume}
        </Button>
      )}
      <Button
        icon="pause"
        keys="P"
        busy={busy}
        refused={refused ?? (host.active === 0 ? words.pauseNone : undefined)}
        onClick={() => pause(host.host)}
      >
        {words.pauseAll(host.active)}
      </Button>
    </>
  );
}

function Cause({ cause }: { cause: FailureCause }) {
  const zone = useViewerZone();
  const filter = new URLSearchParams({ host: cause.host, error: cause.error_class, status: 'failed' });
  return (
    <Say
      tone="bad"
      action={
        <>
          <LinkButton small href={`/runs/${cause.sample_execution_id}`}>
            {words.lastRun}
          </LinkButton>
          <LinkButton small href={`/runs?${filter}`}>
            {words.itsRuns}
          </LinkButton>
        </>
      }
    >
      <strong lang="en">{cause.sentence}</strong> {words.since(when(cause.first_at, zone))}
    </Say>
  );
}

const STEP_S = 3_600;

function HostFigures({ host }: { host: Host }) {
  const all = host.succeeded_7d + host.failed_7d;
  const rate = ratio(host.succeeded_7d, all);
  const stats = useHostStats(host.host, { ...windows(now()).past, step: STEP_S });
  const late = stats.data?.data[0]?.lateness_ms.p99 ?? null;
  const figures: Figure[] = [
    {
      name: words.succeeded,
      value: rate === null ? null : percent(rate),
      note: all === 0 ? words.noRuns : words.succeededNote(all),
    },
    { name: words.p95, ...measured(host.p95_ms), note: words.p95Note },
    { name: words.lateness, ...measured(late), note: words.latenessNote },
    { name: words.failingJobs, value: count(host.failing), note: words.failingNote(host.active) },
    { name: words.nextHour, value: count(host.next_hour), note: words.nextHourNote },
  ];
  return <Figures figures={figures} />;
}

function measured(ms: number | null): { value: string | null; unit?: string } {
  if (ms === null) return { value: null };
  const [first, second] = durationParts(ms);
  return !first || second ? { value: duration(ms) } : { value: first.value, unit: first.unit };
}

const NEWEST = 10;
const NARROW = ['job', 'result', 'due'];

function NewestRuns({ host }: { host: string }) {
  const query = useNewestRuns({ host }, NEWEST);
  const isNarrow = useNarrow();
  return (
    <Section
      title={words.newest}
      end={
        <Link className="small dim" href={`/runs?host=${encodeURIComponent(host)}`}>
          {words.allRuns}
        </Link>
      }
    >
      <Loaded query={query} bars={<Bars rows={4} />}>
        {({ data }) => (
          <Table
            label={words.newest}
            className="runs-list"
            rows={data}
            rowKey={(run) => run.id}
            rowName={(run) => run.job_name}
            columns={RUN_COLUMNS.filter((column) => !isNarrow || NARROW.includes(column.id))}
            blank={
              <Blank icon="runs" title={words.noNewest}>
                <p>{words.noNewestWhy}</p>
              </Blank>
            }
          />
        )}
      </Loaded>
    </Section>
  );
}
