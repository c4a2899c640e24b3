import { Link } from 'wouter';
import { useJobLedger } from '../../api/queries/jobDetails';
import type { Job } from '../../api/queries/jobs';
import { Ledger } from '../../charts/Ledger';
import { count, list } from '../../format';
import { Badge } from '../../parts/Badge';
import { Loaded } from '../../parts/Loaded';
import { BlockBar } from '../../parts/Loading';
import { Section } from '../../parts/Section';
import { words } from '../../words/en/job';

interface JobLedger {
  due: number;
  executed: number;
  skipped: Record<string, number>;
  pending: number;
  gaps: number;
  duplicates: number;
}

/** The equation of a ledger, and what was skipped why. */
export function Equation({ ledger }: { ledger: JobLedger }) {
  const skipped = Object.values(ledger.skipped).reduce((sum, n) => sum + n, 0);
  return (
    <Ledger
      due={ledger.due}
      ran={ledger.executed}
      skipped={skipped}
      pending={ledger.pending}
      gaps={ledger.gaps}
      duplicates={ledger.duplicates}
    />
  );
}

export function skippedInWords(skipped: Record<string, number>): string {
  const parts = Object.entries(skipped).map(
    ([reason, n]) => `${count(n)} (${words.reasons[reason] ?? reason})`,
  );
  return parts.length > 0 ? words.skipped(list(parts)) : '';
}

export function LedgerBadge({ ledger }: { ledger: JobLedger }) {
  const isFine = ledger.gaps === 0 && ledger.duplicates === 0;
  return (
    <Badge glyph={isFine ? 'ok' : 'bad'}>
      {isFine ? words.ledgerFine : words.ledgerBad(ledger.gaps, ledger.duplicates)}
    </Badge>
  );
}

/** The ledger of the last day. */
export function LedgerPanel({ job }: { job: Job }) {
  const ledger = useJobLedger(job.id, 24);
  return (
    <Section title={words.ledger24} end={ledger.data ? <LedgerBadge ledger={ledger.data} /> : undefined}>
      <Loaded query={ledger} bars={<BlockBar height={4} />}>
        {(data) => (
          <>
            <Equation ledger={data} />
            <p className="small dim">
              {words.ledgerHow} {skippedInWords(data.skipped)}{' '}
              <Link href={`/jobs/${job.id}/ledger`}>{words.verify}</Link>
            </p>
          </>
        )}
      </Loaded>
    </Section>
  );
}
