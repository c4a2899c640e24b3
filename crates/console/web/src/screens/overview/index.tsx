import { lazy, Suspense, useRef } from 'react';
import { useSearchParams } from 'wouter';
import { useFailures } from '../../api/queries/failures';
import { useForecast } from '../../api/queries/forecast';
import { useJobCounts } from '../../api/queries/jobs';
import { useLedger } from '../../api/queries/ledger';
import { useNowCounts, useStats } from '../../api/queries/stats';
import { useUpcoming } from '../../api/queries/upcoming';
import { Boundary } from '../../parts/Boundary';
import { LinkButton } from '../../parts/Button';
import { Page } from '../../shell/Page';
import { useCan } from '../../shell/workspace';
import { now } from '../../time';
import { words } from '../../words/en/overview';
import { words as shell } from '../../words/en/shell';
import { Attention } from './Attention';
import { KeyFigures } from './KeyFigures';
import { Next } from './Next';
import { type Period, periodOf } from './periods';
import { Runs } from './Runs';
import { useNarrow } from './useNarrow';
import { Verdict } from './Verdict';
import './overview.css';

const FIGURES_MS = 10_000;
const NOW_MS = 5_000;
const FORECAST_MS = 60_000;

// An empty workspace begins here.
const ImportPanel = lazy(async () => ({ default: (await import('../import/ImportPanel')).ImportPanel }));

/** Is anything broken, what runs, and what runs next. */
export default function Overview() {
  const [params, setParams] = useSearchParams();
  const narrow = useNarrow();
  const can = useCan();
  const period = periodOf(params.get('period'), narrow);
  const { counts, failures, upcoming, ledger, running, stats, forecast } = useOverview(period);
  // What was created there stays until the user goes on.
  const begins = useRef(false);
  begins.current ||= counts.data?.all === 0;
  if (begins.current) {
    return (
      <Page title={words.firstJob}>
        <Suspense>
          <ImportPanel first />
        </Suspense>
      </Page>
    );
  }
  return (
    <Page
      title={words.title}
      className="flow"
      actions={
        can('jobs:write') && (
          <LinkButton kind="solid" icon="plus" keys="C" href="/jobs/new">
            {shell.newJob}
          </LinkButton>
        )
      }
    >
      <Boundary>
        <Verdict
          failures={failures}
          counts={counts}
          upcoming={upcoming.data}
          ledger={ledger.data}
          period={period.id}
          onPeriod={(id) => setParams(id === '24h' ? {} : { period: id }, { replace: true })}
        />
      </Boundary>
      <Boundary>
        <KeyFigures stats={stats} running={running} ledger={ledger} period={period} />
      </Boundary>
      <Runs period={period} stats={stats} forecast={forecast} />
      <div className="cols">
        <Attention failures={failures} upcoming={upcoming.data} />
        <Next upcoming={upcoming} failures={failures.data} forecast={forecast.data} period={period} />
      </div>
    </Page>
  );
}

/** What the overview shows: all requests run side by side, and each part has its own error. */
function useOverview(period: Period) {
  const counts = useJobCounts({}, { refetchInterval: FIGURES_MS });
  const failures = useFailures('now', FIGURES_MS);
  const upcoming = useUpcoming(FIGURES_MS);
  const ledger = useLedger(period.id === '1h' ? 1 : 24);
  const running = useNowCounts(NOW_MS);
  const stats = useStats(
    `${period.id}-${period.step}`,
    () => ({ from: new Date(now() - period.past * 1000).toISOString(), step: period.step }),
    { refetchInterval: FIGURES_MS },
  );
  const forecast = useForecast(
    ['overview', period.id, period.step],
    () => ({
      from: new Date(now()).toISOString(),
      to: new Date(now() + period.after * period.step * 1000).toISOString(),
      step: period.step,
    }),
    { refetchInterval: FORECAST_MS },
  );
  return { counts, failures, upcoming, ledger, running, stats, forecast };
}
