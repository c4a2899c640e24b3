import type { UseQueryResult } from '@tanstack/react-query';
import { Link } from 'wouter';
import type { Cause } from '../../api/queries/failures';
import type { Forecast } from '../../api/queries/forecast';
import type { Upcoming } from '../../api/queries/upcoming';
import { In } from '../../parts/In';
import { Loaded } from '../../parts/Loaded';
import { Bars } from '../../parts/Loading';
import { Section } from '../../parts/Section';
import { PlainWhen } from '../../parts/When';
import { useNow } from '../../time';
import { words } from '../../words/en/overview';
import type { Period } from './periods';

const ROWS = 8;

interface Props {
  upcoming: UseQueryResult<{ data: Upcoming[] }>;
  failures: { data: Cause[] } | undefined;
  forecast: Forecast | undefined;
  period: Period;
}

/** The next runs, with a countdown each. */
export function Next({ upcoming, failures, forecast, period }: Props) {
  const planned = forecast?.buckets.reduce((sum, bucket) => sum + bucket.fires, 0);
  const failing = new Set(failures?.data.flatMap((cause) => cause.jobs.map((job) => job.id)));
  return (
    <Section
      title={words.next}
      end={
        planned !== undefined && (
          <Link className="small dim" href="/load">
            {words.inNext(planned, period.ahead)}
          </Link>
        )
      }
    >
      <Loaded query={upcoming} bars={<Bars rows={ROWS} compact />}>
        {({ data }) => <Rows upcoming={data} failing={failing} />}
      </Loaded>
    </Section>
  );
}

function Rows({ upcoming, failing }: { upcoming: readonly Upcoming[]; failing: ReadonlySet<string> }) {
  const now = useNow();
  const coming = upcoming.filter((it) => Date.parse(it.at) > now).slice(0, ROWS);
  if (coming.length === 0) return <p className="dim quiet">{words.noNext}</p>;
  return (
    <ol className="next">
      {coming.map((it) => (
        <li key={`${it.job_id} ${it.at}`}>
          <PlainWhen at={it.at} seconds />
          <span className="cut">
            <Link href={`/jobs/${it.job_id}`}>{it.job_name}</Link>{' '}
            <span className="faint small only-wide">{it.host}</span>
          </span>
          <span className="faint small">
            {it.will_fail ? words.willFailNote : failing.has(it.job_id) ? words.failingNote : ''}
          </span>
          <In at={it.at} />
        </li>
      ))}
    </ol>
  );
}
