import { Link, useSearchParams } from 'wouter';
import { BASE } from '../../api/client';
import { useJobLedger } from '../../api/queries/jobDetails';
import type { Job } from '../../api/queries/jobs';
import { Blank } from '../../parts/Blank';
import { Choice } from '../../parts/Choice';
import { Loaded } from '../../parts/Loaded';
import { Section } from '../../parts/Section';
import { When } from '../../parts/When';
import { Wire } from '../../parts/Wire';
import { textLines } from '../../parts/wireLines';
import { useWorkspace } from '../../shell/workspace';
import { words } from '../../words/en/job';
import { Equation, LedgerBadge, skippedInWords } from './LedgerPanel';
import { useJobZone } from './zone';

const HOURS = ['24', '168', '720'] as const;
type Hours = (typeof HOURS)[number];

/** What was due, matched with what is recorded, over a day, a week or a month. */
export function LedgerTab({ job }: { job: Job }) {
  const [params, setParams] = useSearchParams();
  const asked = params.get('hours') as Hours;
  const hours = HOURS.includes(asked) ? asked : '24';
  const ledger = useJobLedger(job.id, Number(hours));
  const zone = useJobZone(job);
  return (
    <>
      <div className="period-line">
        <Choice
          label={words.period}
          value={hours}
          options={HOURS.map((it) => ({ value: it, label: words.periods[Number(it)] ?? it }))}
          onChange={(next) => setParams({ hours: next }, { replace: true })}
        />
        {ledger.data && <LedgerBadge ledger={ledger.data} />}
        {ledger.data && (
          <span className="small dim">
            {words.window} <When at={ledger.data.from} zone={zone} /> –{' '}
            <When at={ledger.data.to} zone={zone} />
          </span>
        )}
      </div>
      <Loaded query={ledger}>
        {(data) => (
          <>
            <div className="ledger-wide">
              <Equation ledger={data} />
              <p className="dim">
                {words.ledgerHow} {skippedInWords(data.skipped)}
              </p>
            </div>
            <Section title={words.mismatches} className="apart">
              {data.mismatches.length === 0 ? (
                <Blank glyph="ok" title={words.noMismatches}>
                  <p>{words.noMismatchesWhy}</p>
                </Blank>
              ) : (
                <Mismatches job={job} mismatches={data.mismatches} />
              )}
            </Section>
            <Verify job={job} from={data.from} to={data.to} />
          </>
        )}
      </Loaded>
    </>
  );
}

interface Mismatch {
  kind: string;
  scheduled_for: string;
  execution_id: string | null;
}

function Mismatches({ job, mismatches }: { job: Job; mismatches: readonly Mismatch[] }) {
  const zone = useJobZone(job);
  return (
    <table className="tbl compact">
      <caption className="vh">{words.mismatches}</caption>
      <thead>
        <tr>
          <th scope="col">{words.due}</th>
          <th scope="col">{words.kind}</th>
          <th scope="col">{words.run}</th>
          <th scope="col">
            <span className="vh">{words.explain}</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {mismatches.map((it) => (
          <tr key={it.kind + it.scheduled_for + it.execution_id}>
            <th scope="row">
              <When at={it.scheduled_for} zone={zone} seconds />
            </th>
            <td className="bad-text">{it.kind === 'gap' ? words.gapWord : words.duplicateWord}</td>
            <td>
              {it.execution_id ? <Link href={`/runs/${it.execution_id}`}>{it.execution_id}</Link> : '–'}
            </td>
            <td>
              <Link href={`/jobs/${job.id}?at=${encodeURIComponent(it.scheduled_for)}`}>{words.explain}</Link>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Verify({ job, from, to }: { job: Job; from: string; to: string }) {
  const workspace = useWorkspace();
  const curl = [
    `curl -s "${BASE}v1/jobs/${job.id}/ledger?from=${from}&to=${to}" \\`,
    '  -H "Authorization: Bearer $TRIGRUN_TOKEN" \\',
    `  -H "TrigRun-Workspace: ${workspace.id}"`,
  ].join('\n');
  return (
    <Section title={words.verifyYourself}>
      <p className="small dim">{words.verifyWhy}</p>
      <div className="under">
        <Wire label={words.verifyCommand} lines={textLines(curl)} copy={curl} />
      </div>
    </Section>
  );
}
