import { useMemo } from 'react';
import { type HistogramQuery, useHistogram } from '../../api/queries/executions';
import { BlockBar } from '../../parts/Loading';
import { now } from '../../time';
import { words } from '../../words/en/runs';
import { allBuckets, ofStatuses } from './buckets';
import { apiFilter, chipValue, type Query } from './filter';
import { Histogram } from './Histogram';
import { bucketSeconds, histogramWindow } from './period';

interface Props {
  query: Query;
  address: string;
  onPick: (from: number, to: number) => void;
}

const BAR_REM = 6.75;

/** The histogram over the list: of the window and of the filters that the statistics know. */
export function RunsHistogram({ query, address, onPick }: Props) {
  // biome-ignore lint/correctness/useExhaustiveDependencies: the address is the query
  const asked = useMemo(() => histogramQuery(query, now()), [address]);
  const stats = useHistogram(asked);
  // The list says what is wrong with a filter; the chart is only missing then.
  if (stats.error && !stats.data) return null;
  if (!stats.data) return <BlockBar height={BAR_REM} />;
  const buckets = ofStatuses(allBuckets(stats.data), chipValue(query, 'status')?.split(','));
  if (!buckets) return null;
  const unknown = [...(query.text ? [words.nameSearch] : []), ...unknownTo(query)];
  return (
    <Histogram
      buckets={buckets}
      stepMs={stats.data.step_seconds * 1000}
      note={unknown.length > 0 ? words.histogramNot(unknown) : null}
      onPick={onPick}
    />
  );
}

function unknownTo(query: Query): string[] {
  return query.chips
    .map((chip) => chip.key)
    .filter((key) => key === 'http' || key === 'source' || key === 'tries');
}

function histogramQuery(query: Query, at: number): HistogramQuery {
  const filter = apiFilter(query, at);
  const instant = (text: string | undefined) => (text === undefined ? null : Date.parse(text));
  const window = histogramWindow(instant(filter.from), instant(filter.to), at);
  const { job_id, host, tag, error_class: errorClass } = filter;
  const isNarrow = host !== undefined || tag !== undefined || errorClass !== undefined;
  const what = isNarrow ? 'other' : job_id ? 'job' : 'workspace';
  return {
    from: new Date(window.from).toISOString(),
    to: new Date(window.to).toISOString(),
    step: bucketSeconds(window, at, what),
    ...(job_id && { job_id }),
    ...(host && { host }),
    ...(tag && { tag }),
    ...(errorClass && { errorClass }),
  };
}
