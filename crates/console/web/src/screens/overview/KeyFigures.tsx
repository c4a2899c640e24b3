import type { UseQueryResult } from '@tanstack/react-query';
import type { Ledger } from '../../api/queries/ledger';
import type { NowCounts, StatsGroup } from '../../api/queries/stats';
import { Spark } from '../../charts/Spark';
import { count, duration, durationParts, percent, ratio } from '../../format';
import { ErrorPanel } from '../../parts/ErrorPanel';
import { type Figure, Figures } from '../../parts/Figures';
import { words } from '../../words/en/overview';
import type { Period } from './periods';

interface Props {
  stats: UseQueryResult<{ data: StatsGroup[] }>;
  running: UseQueryResult<NowCounts>;
  ledger: { data: Ledger | undefined };
  period: Period;
}

/** The five numbers. What is not known yet is a dash. */
export function KeyFigures({ stats, running, ledger, period }: Props) {
  if (stats.error && !stats.data) return <ErrorPanel error={stats.error} onRetry={() => stats.refetch()} />;
  const group = stats.data?.data[0];
  const isKnown = stats.data !== undefined;
  return (
    <Figures
      figures={[
        succeeded(group, isKnown),
        lateness(group),
        durations(group),
        nowFigure(running.data),
        ledgerFigure(ledger.data, period),
      ]}
    />
  );
}

function succeeded(group: StatsGroup | undefined, isKnown: boolean): Figure {
  const totals = group?.totals;
  const all = totals ? totals.succeeded + totals.failed : 0;
  const share = totals ? ratio(totals.succeeded, all) : null;
  const trend = group?.buckets.map((it) => ratio(it.succeeded, it.succeeded + it.failed)) ?? [];
  return {
    name: words.succeeded,
    value: share === null ? null : percent(share),
    note: totals && all > 0 ? words.failedOf(totals.failed, all) : isKnown ? words.noRuns : null,
    spark: <Spark values={trend} />,
  };
}

function lateness(group: StatsGroup | undefined): Figure {
  const { p50, p99, max } = group?.lateness_ms ?? { p50: null, p99: null, max: null };
  return {
    name: words.lateness,
    ...measure(p99),
    note: p50 === null ? null : words.latenessNote(duration(p50), duration(max)),
  };
}

function durations(group: StatsGroup | undefined): Figure {
  const { p50, p95 } = group?.duration_ms ?? { p50: null, p95: null };
  return {
    name: words.duration,
    ...measure(p95),
    note: p50 === null || !group ? null : words.durationNote(duration(p50), group.totals.retried),
  };
}

function measure(ms: number | null): Pick<Figure, 'value' | 'unit'> {
  const [first, second] = ms === null ? [] : durationParts(ms);
  if (!first) return { value: null };
  if (!second) return { value: first.value, unit: first.unit };
  return {
    value: (
      <>
        {first.value} <small>{first.unit}</small> {second.value}
      </>
    ),
    unit: second.unit,
  };
}

function nowFigure(counts: NowCounts | undefined): Figure {
  if (!counts) return { name: words.now, value: null, note: null };
  return {
    name: words.now,
    value: counts.isCapped ? words.capped(counts.running) : count(counts.running),
    unit: words.running,
    note: words.nowNote(counts.retrying, counts.queued),
  };
}

function ledgerFigure(ledger: Ledger | undefined, period: Period): Figure {
  const name = words.ledger(period.id === '1h' ? 1 : 24);
  if (!ledger) return { name, value: null, note: null };
  const skipped = Object.values(ledger.skipped).reduce((sum, n) => sum + n, 0);
  const unchecked = ledger.jobs_left + ledger.unchecked_jobs.length;
  const isBad = ledger.gaps > 0 || ledger.duplicates > 0;
  return {
    name,
    value: (
      <span className={isBad ? 'bad-text' : undefined}>
        {count(ledger.gaps)} <small>{words.gapsUnit(ledger.gaps)}</small> {count(ledger.duplicates)}
      </span>
    ),
    unit: words.duplicatesUnit(ledger.duplicates),
    note:
      unchecked > 0
        ? words.ledgerPart(ledger.jobs_checked, ledger.jobs_checked + unchecked)
        : words.ledgerNote(ledger.due, ledger.executed, skipped, ledger.pending),
  };
}
