import { useState } from 'react';
import { type ForecastBucket, useForecast } from '../../api/queries/forecast';
import { Legend } from '../../charts/Legend';
import { Minutes } from '../../charts/Minutes';
import { Loaded } from '../../parts/Loaded';
import { BlockBar } from '../../parts/Loading';
import { Section } from '../../parts/Section';
import { timeOfDay } from '../../time';
import { words } from '../../words/en/load';
import { useSuggestion } from './useSuggestion';
import { longHour } from './week';

const MINUTE_MS = 60_000;
const MINUTES = 60;
const CHART_REM = 8;

interface Props {
  hour: ForecastBucket;
  host: string | null;
  zone: string;
}

/** The minutes of the chosen hour, now and as the suggestion would have them. */
export function HourMinutes({ hour, host, zone }: Props) {
  const [read, setRead] = useState<string | null>(null);
  const start = Date.parse(hour.at);
  const forecast = useForecast(['hour', hour.at, host], () => ({
    from: hour.at,
    to: new Date(start + MINUTES * MINUTE_MS).toISOString(),
    step: 60,
    host: host ?? undefined,
  }));
  const { spread, gains } = useSuggestion(hour.at, host);
  const after = gains ? spread.data?.after.minutes : undefined;
  return (
    <Section
      title={longHour(hour.at, zone)}
      beside={after && <Legend marks={['before', 'after']} />}
      end={
        <span className="dim small" aria-live="polite">
          {read ?? (hour.peak ? words.peakIs(hour.peak.fires) : '')}
        </span>
      }
    >
      <Loaded query={forecast} bars={<BlockBar height={CHART_REM} />}>
        {({ buckets }) => {
          const minutes = Array<number>(MINUTES).fill(0);
          for (const it of buckets) {
            const minute = Math.round((Date.parse(it.at) - start) / MINUTE_MS);
            if (minute >= 0 && minute < MINUTES) minutes[minute] = it.fires;
          }
          return (
            <Minutes
              hour={longHour(hour.at, zone)}
              minutes={minutes}
              after={after && minutes.map((now, minute) => after[minute] ?? now)}
              clock={(minute) => timeOfDay(start + minute * MINUTE_MS, zone, false)}
              onRead={setRead}
            />
          );
        }}
      </Loaded>
    </Section>
  );
}
