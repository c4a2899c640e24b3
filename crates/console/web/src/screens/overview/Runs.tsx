import type { UseQueryResult } from '@tanstack/react-query';
import { useState } from 'react';
import { useLocation } from 'wouter';
import type { Forecast } from '../../api/queries/forecast';
import type { StatsGroup } from '../../api/queries/stats';
import { Legend } from '../../charts/Legend';
import { Timeline, type TimelineBucket } from '../../charts/Timeline';
import { Loaded } from '../../parts/Loaded';
import { BlockBar } from '../../parts/Loading';
import { Section } from '../../parts/Section';
import { useNow, useViewerZone } from '../../time';
import { words } from '../../words/en/overview';
import { words as parts } from '../../words/en/parts';
import type { Period } from './periods';
import { timeline } from './timeline';

interface Props {
  period: Period;
  stats: UseQueryResult<{ data: StatsGroup[] }>;
  forecast: UseQueryResult<Forecast>;
}

// The height of the chart, so that nothing moves when it comes.
const CHART_REM = 10.375;
const MINUTE_MS = 60_000;

/** What ran and what is to come, on one axis. */
export function Runs({ period, stats, forecast }: Props) {
  const zone = useViewerZone();
  const [, navigate] = useLocation();
  const [read, setRead] = useState<string | null>(null);
  // The line of now moves once a minute, or once a bucket.
  const now = Math.floor(useNow() / MINUTE_MS) * MINUTE_MS;
  const drawn = timeline(period, now, zone, stats.data?.data[0]?.buckets ?? [], forecast.data?.buckets ?? []);
  const last = drawn.buckets[period.before - 1];
  const open = (bucket: TimelineBucket) => {
    const to = new Date(Date.parse(bucket.at) + period.step * 1000).toISOString();
    navigate(`/runs?${new URLSearchParams({ from: bucket.at, to })}`);
  };
  return (
    <Section
      title={words.timeline}
      beside={<Legend className="only-wide" marks={['succeeded', 'failed', 'upcoming']} />}
      end={
        <span className="dim small" aria-live="polite">
          {read ?? (last && stats.data ? said(last) : '')}
        </span>
      }
    >
      <Loaded query={stats} bars={<BlockBar height={CHART_REM} />}>
        {() => (
          <Timeline
            title={words.timeline}
            buckets={drawn.buckets}
            now={drawn.now}
            nowLabel={words.nowMark}
            onRead={setRead}
            onOpen={open}
          />
        )}
      </Loaded>
    </Section>
  );
}

function said(bucket: TimelineBucket): string {
  return parts.timelineBucket(bucket.window, bucket.succeeded + bucket.failed, bucket.failed, bucket.planned);
}
