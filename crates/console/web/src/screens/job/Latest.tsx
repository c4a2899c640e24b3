import { useState } from 'react';
import { Link } from 'wouter';
import type { Run } from '../../api/queries/jobDetails';
import type { Job } from '../../api/queries/jobs';
import { duration } from '../../format';
import { Button } from '../../parts/Button';
import { glyphOf, Status } from '../../parts/Status';
import { fullTime, iso, millisOf, when } from '../../time';
import { words } from '../../words/en/job';
import { result } from '../../words/en/results';
import { type Folded, fold, isFolded } from './fold';
import { useJobZone } from './zone';

const LINES = 10;
const COLUMNS = 6;

/** The newest runs; equal results in a row are folded. */
export function Latest({ job, runs }: { job: Job; runs: readonly Run[] }) {
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const lines = fold(runs).slice(0, LINES);
  const toggle = (key: string) =>
    setOpen((before) => {
      const next = new Set(before);
      if (!next.delete(key)) next.add(key);
      return next;
    });
  return (
    <table className="tbl compact latest">
      <caption className="vh">{words.latestRuns}</caption>
      <thead>
        <tr>
          <th scope="col">{words.due}</th>
          <th scope="col">{words.result}</th>
          <th scope="col" className="num">
            {words.attempts}
          </th>
          <th scope="col" className="num">
            {words.latenessHead}
          </th>
          <th scope="col" className="num">
            {words.duration}
          </th>
          <th scope="col" className="num">
            {words.versionHead}
          </th>
        </tr>
      </thead>
      <tbody>
        {lines.map((line) =>
          isFolded(line) ? (
            <FoldedLine
              key={line.key}
              job={job}
              folded={line}
              isOpen={open.has(line.key)}
              onToggle={() => toggle(line.key)}
            />
          ) : (
            <RunLine key={line.id} job={job} run={line} />
          ),
        )}
      </tbody>
    </table>
  );
}

function RunLine({ job, run }: { job: Job; run: Run }) {
  return (
    <tr>
      <th scope="row">
        <DueLink job={job} run={run} />
      </th>
      <td>
        <Status glyph={glyphOf(run.status)}>
          {result({ ...run, attempt_count: run.status === 'failed' ? 1 : run.attempt_count })}
        </Status>
      </td>
      <td className="num dim">{run.attempt_count || '–'}</td>
      <td className="num dim">{duration(run.lateness_ms)}</td>
      <td className="num dim">{duration(run.duration_ms)}</td>
      <td className="num dim">{words.version(run.job_version)}</td>
    </tr>
  );
}

/** When a run was due, as the link to it. */
export function DueLink({ job, run }: { job: Job; run: Run }) {
  const zone = useJobZone(job);
  return (
    <Link className="row-link" href={`/runs/${run.id}`}>
      <time dateTime={iso(run.scheduled_for)} title={fullTime(run.scheduled_for, zone)}>
        {when(run.scheduled_for, zone, { seconds: true })}
        <span className="faint">{millisOf(run.scheduled_for)}</span>
      </time>
    </Link>
  );
}

interface FoldedProps {
  job: Job;
  folded: Folded<Run>;
  isOpen: boolean;
  onToggle: () => void;
}

function FoldedLine({ job, folded, isOpen, onToggle }: FoldedProps) {
  const zone = useJobZone(job);
  const { runs } = folded;
  const newest = runs[0];
  const oldest = runs.at(-1);
  if (!newest || !oldest) return null;
  const said = newest.status === 'failed' ? words.sameFailure : words.sameSuccess;
  return (
    <>
      {isOpen && runs.map((run) => <RunLine key={run.id} job={job} run={run} />)}
      <tr className="more">
        <td colSpan={COLUMNS}>
          <Button kind="ghost" small icon={isOpen ? 'up' : 'right'} aria-expanded={isOpen} onClick={onToggle}>
            {isOpen
              ? words.fold
              : said(runs.length, when(oldest.scheduled_for, zone), when(newest.scheduled_for, zone))}
          </Button>
        </td>
      </tr>
    </>
  );
}
