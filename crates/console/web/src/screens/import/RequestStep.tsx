import { Fact, Facts } from '../../parts/Facts';
import { Wire } from '../../parts/Wire';
import { headerLines, jsonLines, textLines, type WireLine, withSecrets } from '../../parts/wireLines';
import { words } from '../../words/en/import';
import { definitionOf, type JobInput } from '../editor/definition';
import { compactStatuses } from '../editor/statuses';
import type { Entry, Read } from './read';

/** The request that one text became, and what it does not have of the text. */
export function RequestStep({ entry, read, job }: { entry: Entry; read: Read; job: JobInput }) {
  const { request, retry_policy: retry } = definitionOf(job);
  const findings = read.findings.filter((it) => it.key === entry.key || it.key === null);
  const lost = findings.filter((it) => it.level === 'lost');
  const changed = findings.filter((it) => it.level === 'changed');
  return (
    <div className="read">
      <Wire label={words.sent} lines={requestLines(job)} />
      <Facts>
        <Fact name={words.success}>{compactStatuses(request.success_statuses)}</Fact>
        <Fact name={words.timeout}>{words.seconds(String(request.timeout_seconds))}</Fact>
        <Fact name={words.attempts}>{words.attemptsOf(String(retry.max_attempts))}</Fact>
        <Fact name={words.notImported}>
          {lost.length === 0 ? words.none : <Sentences of={lost.map((it) => it.detail)} />}
        </Fact>
        {changed.length > 0 && (
          <Fact name={words.changed}>
            <Sentences of={changed.map((it) => it.detail)} />
          </Fact>
        )}
      </Facts>
    </div>
  );
}

function Sentences({ of }: { of: readonly string[] }) {
  return (
    <ul className="sentences" lang="en">
      {of.map((it) => (
        <li key={it}>{it}</li>
      ))}
    </ul>
  );
}

/** The request as it is sent, without what TrigRun adds. */
function requestLines(job: JobInput): WireLine[] {
  const { request } = job;
  const headers = Object.entries(request.headers ?? {}).map(([name, value]) => ({ name, value }));
  const lines: WireLine[] = [
    [{ is: 'strong', text: request.method ?? 'GET' }, ' ', ...withSecrets(request.url)],
    ...headerLines(headers),
  ];
  if (request.body === undefined || request.body === null) return lines;
  const body = typeof request.body === 'string' ? request.body : JSON.stringify(request.body);
  return [...lines, [], ...(jsonLines(body) ?? textLines(body))];
}
