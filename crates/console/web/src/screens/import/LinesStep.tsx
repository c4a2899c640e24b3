import type { Finding } from '../../api/queries/convert';
import { Method } from '../../parts/Method';
import { glyphOf, Status } from '../../parts/Status';
import { PlainWhen } from '../../parts/When';
import { words } from '../../words/en/import';
import '../../parts/Table.css';
import { capital } from '../editor/PreviewCard';
import { hasNoSchedule } from './plan';
import type { Entry, Read } from './read';

interface Line {
  key: string;
  line: number | null;
  entry: Entry | null;
  /** What the job is made without, or why there is none. */
  findings: readonly Finding[];
}

/** Line by line, what it became and what was left out. */
export function LinesStep({ read }: { read: Read }) {
  return (
    <table className="tbl imp">
      <caption className="vh">{words.linesLabel}</caption>
      <thead>
        <tr>
          <th scope="col" className="num">
            {words.line}
          </th>
          <th scope="col">
            <span className="vh">{words.status}</span>
          </th>
          <th scope="col">{words.job}</th>
          <th scope="col">{words.nextRun}</th>
        </tr>
      </thead>
      <tbody>
        {linesOf(read).map((it) => (
          <tr key={it.key}>
            <td className="faint num">{it.line}</td>
            <td>
              <Status glyph={it.entry ? glyphOf('succeeded') : glyphOf('failed')}>
                <span className="vh">{it.entry ? words.job : words.refused}</span>
              </Status>
            </td>
            <td>
              {it.entry ? (
                <Made entry={it.entry} findings={it.findings} />
              ) : (
                <Refused findings={it.findings} />
              )}
            </td>
            <td className="nowrap">
              <Next entry={it.entry} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function linesOf(read: Read): Line[] {
  const made = read.entries.map((entry) => ({
    key: entry.key,
    line: entry.line,
    entry,
    findings: read.findings.filter(
      (it) => it.key === entry.key && (it.level === 'lost' || it.level === 'changed'),
    ),
  }));
  const others = read.findings
    .filter((it) => it.key === null || it.key === undefined)
    .filter((it) => it.level === 'refused')
    .map((finding, index) => ({
      key: `refused ${index}`,
      line: finding.line ?? null,
      entry: null,
      findings: [finding],
    }));
  return [...made, ...others].sort((a, b) => (a.line ?? 0) - (b.line ?? 0));
}

function Made({ entry, findings }: { entry: Entry; findings: readonly Finding[] }) {
  const { job } = entry;
  return (
    <div className="two wraps">
      <span className="strong">
        {entry.inWords && !hasNoSchedule(job) ? capital(entry.inWords) : job.name}
      </span>
      <small>
        <Method>{job.request.method ?? 'GET'}</Method> {job.request.url.replace(/^https?:\/\//, '')}
      </small>
      {findings.map((it) => (
        <small key={it.detail} className="warn-text" lang="en">
          {it.detail}
        </small>
      ))}
    </div>
  );
}

function Refused({ findings }: { findings: readonly Finding[] }) {
  return findings.map((it) => (
    <div key={it.detail} className="two wraps" lang="en">
      <span className="strong">{it.detail}</span>
      {it.hint && <small>{it.hint}</small>}
    </div>
  ));
}

function Next({ entry }: { entry: Entry | null }) {
  if (!entry) return <span className="faint">{words.refused}</span>;
  if (!entry.nextRunAt) return <span className="faint">–</span>;
  return (
    <span className="plan-text strong">
      <PlainWhen at={entry.nextRunAt} />
    </span>
  );
}
