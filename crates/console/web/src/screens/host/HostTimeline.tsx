import { useState } from 'react';
import { useLocation } from 'wouter';
import { useHostForecast, useHostStats } from '../../api/queries/hosts';
import { Legend } from '../../charts/Legend';
import { Timeline } from '../../charts/Timeline';
import { Loaded } from '../../parts/Loaded';
import { BlockBar } from '../../parts/Loading';
import { Section } from '../../parts/Section';
import { useNow, useViewerZone } from '../../time';
import { words } from '../../words/en/host';
import { hourBuckets, nowPlace, windows } from './timeline';

const STEP_S = 3_600;
const HOUR_MS = STEP_S * 1_000;
const MINUTE_MS = 60_000;
const FORECAST_EVERY_MS = 5 * MINUTE_MS;

/** The last two days of a host and the next twelve hours; a bucket leads to its runs. */
export function HostTimeline({ host }: { host: string }) {
  const zone = useViewerZone();
  const [, navigate] = useLocation();
  const [read, setRead] = useState<string | null>(null);
  const now = Math.floor(useNow() / MINUTE_MS) * MINUTE_MS;
  const { past } = windows(now);
  // What is left of this hour is to come: asked for anew every five minutes.
  const soon = Math.floor(now / FORECAST_EVERY_MS) * FORECAST_EVERY_MS;
  const stats = useHostStats(host, { ...past, step: STEP_S });
  const forecast = useHostForecast(host, { ...windows(soon).coming, step: STEP_S, timezone: zone });
  return (
    <Section
      title={words.timeline}
      end={
        read ? (
          <span className="small dim">{read}</span>
        ) : (
          <Legend className="only-wide" marks={['succeeded', 'failed', 'upcoming']} />
        )
      }
    >
      <Loaded query={stats} bars={<BlockBar height={10} />}>
        {(found) => (
          <Timeline
            title={words.timeline}
            buckets={hourBuckets(now, zone, found.data[0]?.buckets ?? [], forecast.data?.buckets ?? [])}
            now={nowPlace(now)}
            nowLabel={words.now}
            onRead={setRead}
            onOpen={(bucket) => {
              const to = new Date(Date.parse(bucket.at) + HOUR_MS).toISOString();
              navigate(`/runs?${new URLSearchParams({ host, from: bucket.at, to })}`);
            }}
          />
        )}
      </Loaded>
    </Section>
  );
}
