import type { UseQueryResult } from '@tanstack/react-query';
import { Link } from 'wouter';
import type { Cause } from '../../api/queries/failures';
import type { Ledger } from '../../api/queries/ledger';
import type { Upcoming } from '../../api/queries/upcoming';
import { Choice } from '../../parts/Choice';
import { ErrorPanel } from '../../parts/ErrorPanel';
import { Glyph, type GlyphName } from '../../parts/Glyph';
import { useLate } from '../../parts/Loading';
import { useViewerZone, when } from '../../time';
import { causeVerb } from '../../words/en/failures';
import { words } from '../../words/en/overview';
import { PERIOD_IDS, type Period } from './periods';
import { willFail } from './willFail';

type Failures = { data: Cause[] };
type Counts = { all: number; active: number };

interface Props {
  failures: UseQueryResult<Failures>;
  counts: UseQueryResult<Counts>;
  upcoming: { data: Upcoming[] } | undefined;
  ledger: Ledger | undefined;
  period: Period['id'];
  onPeriod: (id: Period['id']) => void;
}

const MAX_CAUSES_SAID = 2;

/** The first line of all: whether anything is broken, in words. */
export function Verdict({ failures, counts, upcoming, ledger, period, onPeriod }: Props) {
  const late = useLate();
  if (failures.error && !failures.data)
    return <ErrorPanel error={failures.error} onRetry={() => failures.refetch()} />;
  const known =
    failures.data && counts.data ? { causes: failures.data.data, active: counts.data.active } : null;
  const said =
    known && verdict(known.causes, known.active, willFail(upcoming?.data ?? [], known.causes).length);
  return (
    <section className="verdict" aria-labelledby="verdict">
      <div>
        <h1 id="verdict">
          {said ? (
            <>
              <Glyph name={said.glyph} size={22} />
              {said.text}
            </>
          ) : (
            <>
              <span className="vh">{words.title}</span>
              <span className={late ? 'skel verdict-bar' : 'verdict-bar'} />
            </>
          )}
        </h1>
        <p>
          {known && <Evidence causes={known.causes} active={known.active} ledger={ledger} />}
          {!known && '\u00a0'}
        </p>
      </div>
      <Choice
        label={words.period}
        value={period}
        options={PERIOD_IDS.map((id) => ({ value: id, label: words.periods[id] }))}
        onChange={onPeriod}
      />
    </section>
  );
}

function verdict(
  causes: readonly Cause[],
  active: number,
  failing: number,
): { glyph: GlyphName; text: string } {
  if (causes.length > 0) return { glyph: 'bad', text: words.failing(jobsIn(causes), causes.length) };
  if (failing > 0) return { glyph: 'warn', text: words.willFail(failing) };
  return active === 0
    ? { glyph: 'pause', text: words.noneActive }
    : { glyph: 'ok', text: words.well(active) };
}

interface EvidenceProps {
  causes: readonly Cause[];
  active: number;
  ledger: Ledger | undefined;
}

function Evidence({ causes, active, ledger }: EvidenceProps) {
  const zone = useViewerZone();
  const others = active - jobsIn(causes);
  const more = causes.length - MAX_CAUSES_SAID;
  return (
    <>
      {causes.slice(0, MAX_CAUSES_SAID).map((cause) => (
        <span key={cause.id}>
          {words.because(cause.jobs_count)}
          <Link href={`/hosts/${encodeURIComponent(cause.host)}`}>{cause.host}</Link> {causeVerb(cause)}
          {words.firstAt(when(cause.first_at, zone))}
        </span>
      ))}
      {more > 0 && words.otherCauses(more)}
      {causes.length > 0 && others > 0 && words.othersWell(others)}
      {causes.length === 0 && active === 0 && words.noneActiveText}
      {ledger && ledgerWords(ledger)}
    </>
  );
}

/** Nothing is said of a ledger that has not looked at all jobs, unless it found something. */
function ledgerWords(ledger: Ledger): string {
  if (ledger.gaps > 0 || ledger.duplicates > 0) return words.gaps(ledger.gaps, ledger.duplicates);
  return ledger.jobs_left === 0 && ledger.unchecked_jobs.length === 0 && ledger.due > 0
    ? words.noRunLost
    : '';
}

/** How many jobs fail: a job has one cause. */
function jobsIn(causes: readonly Cause[]): number {
  return causes.reduce((sum, cause) => sum + cause.jobs_count, 0);
}
