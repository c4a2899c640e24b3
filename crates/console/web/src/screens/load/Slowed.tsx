import { Link } from 'wouter';
import { useStats } from '../../api/queries/stats';
import { duration } from '../../format';
import { longDay } from '../../localtime';
import { Loaded } from '../../parts/Loaded';
import { Bars } from '../../parts/Loading';
import { Section } from '../../parts/Section';
import { timeOfDay } from '../../time';
import { words } from '../../words/en/load';
import { lastSuch } from './week';

const MAX_ROWS = 5;
const SLOWER_FROM = 1.5;
const WEEK_MS = 7 * 86_400_000;
const MAX_JOBS = 250;
const HOUR_STEP = 3600;

interface Props {
  hour: string;
  host: string | null;
  zone: string;
  nowMs: number;
}

interface Slow {
  id: string;
  name: string;
  usual: number;
  inHour: number;
}

/** What the crowd costs: jobs whose requests took longer in this hour, the last time that it came, than in the week. */
export function Slowed({ hour, host, zone, nowMs }: Props) {
  const window = lastSuch(hour, nowMs);
  const filter = { by: 'job' as const, step: HOUR_STEP, limit: MAX_JOBS, ...(host && { host }) };
  const then = useStats(`slowed-${window.from}-${host}`, () => ({ ...filter, ...window }));
  const usual = useStats(`week-${window.to}-${host}`, () => ({
    ...filter,
    step: 24 * HOUR_STEP,
    from: new Date(Date.parse(window.to) - WEEK_MS).toISOString(),
    to: window.to,
  }));
  const loaded = then.error || !usual.error ? then : usual;
  return (
    <Section
      title={words.slowed}
      end={
        <span className="small dim">
          {words.slowedNote(longDay(window.from, zone), timeOfDay(window.from, zone, false))}
        </span>
      }
    >
      <Loaded query={usual.data ? loaded : usual} bars={<Bars rows={3} compact />}>
        {() => {
          const rows = slowed(then.data?.data ?? [], usual.data?.data ?? []);
          return rows.length > 0 ? <Rows rows={rows} /> : <p className="dim quiet">{words.noSlowed}</p>;
        }}
      </Loaded>
    </Section>
  );
}

type Group = { key: string | null; name?: string; duration_ms: { p95: number | null } };

function slowed(then: readonly Group[], usual: readonly Group[]): Slow[] {
  const week = new Map(usual.map((it) => [it.key, it.duration_ms.p95]));
  return then
    .flatMap((it): Slow[] => {
      const before = week.get(it.key);
      const took = it.duration_ms.p95;
      if (!before || took === null || it.key === null || took / before < SLOWER_FROM) return [];
      return [{ id: it.key, name: it.name ?? it.key, usual: before, inHour: took }];
    })
    .sort((a, b) => b.inHour / b.usual - a.inHour / a.usual)
    .slice(0, MAX_ROWS);
}

function Rows({ rows }: { rows: readonly Slow[] }) {
  return (
    <table className="tbl compact">
      <caption className="vh">{words.slowedLabel}</caption>
      <thead>
        <tr>
          <th scope="col">{words.job}</th>
          <th scope="col" className="num">
            {words.otherTimes}
          </th>
          <th scope="col" className="num">
            {words.inHour}
          </th>
          <th scope="col" className="num">
            <span className="vh">{words.slowerBy}</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={row.id}>
            <th scope="row">
              <Link className="row-link" href={`/jobs/${row.id}`}>
                {row.name}
              </Link>
            </th>
            <td className="num dim">{duration(row.usual)}</td>
            <td className="num">{duration(row.inHour)}</td>
            <td className="num warn-text strong">{words.times(row.inHour / row.usual)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
