import type { ReactNode } from 'react';
import { duration } from '../format';
import { words } from '../words/en/parts';
import { Hatched } from './Hatch';
import { PHASES, type PhaseTimes } from './Lane';
import { niceStep } from './scale';
import './charts.css';
import './Course.css';

export interface CourseAttempt {
  number: number;
  /** Milliseconds from the instant at which the run was due. */
  startMs: number;
  /** Null while it runs. */
  durationMs: number | null;
  phases: PhaseTimes | null;
  /** What came of it: a Status. */
  result: ReactNode;
}

interface Props {
  attempts: readonly CourseAttempt[];
  /** How far the axis goes at least: now, while the run goes on. */
  untilMs: number;
  chosen?: number;
  onChoose?: (number: number) => void;
}

const WIDTH = 700;
const MARKS = 6;

/** The attempts of a run on one axis from the instant it was due; waits are hatched. */
export function Course({ attempts, untilMs, chosen, onChoose }: Props) {
  const ends = attempts.map((it) => it.startMs + (it.durationMs ?? Math.max(0, untilMs - it.startMs)));
  const range = Math.max(1, untilMs, ...ends) * 1.04;
  const step = niceStep(range, MARKS);
  const marks = Array.from({ length: Math.floor(range / step) + 1 }, (_, index) => index * step);
  const scale = (ms: number) => (ms / range) * WIDTH;
  return (
    <table className="course">
      <caption className="vh">{words.courseCaption(attempts.length)}</caption>
      <Head marks={marks} range={range} />
      <tbody>
        {attempts.map((attempt, index) => (
          <tr key={attempt.number} aria-selected={attempt.number === chosen || undefined}>
            <th scope="row">
              {onChoose ? (
                <button type="button" className="course-no" onClick={() => onChoose(attempt.number)}>
                  {attempt.number}
                </button>
              ) : (
                attempt.number
              )}
            </th>
            <td className="what">{attempt.result}</td>
            {/* biome-ignore lint/a11y/useKeyWithClickEvents: the number of the attempt is the button for the keyboard */}
            <td onClick={() => onChoose?.(attempt.number)}>
              <svg className="lane" viewBox={`0 0 ${WIDTH} 34`} preserveAspectRatio="none" aria-hidden="true">
                {marks.slice(1).map((mark) => (
                  <path
                    key={mark}
                    className="c-grid"
                    d={`M${scale(mark)} 0v34`}
                    vectorEffect="non-scaling-stroke"
                  />
                ))}
                <Wait from={index === 0 ? 0 : (ends[index - 1] ?? 0)} to={attempt.startMs} scale={scale} />
                <Phases attempt={attempt} end={ends[index] ?? attempt.startMs} scale={scale} />
              </svg>
            </td>
            <td className="took">{duration(attempt.durationMs)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Head({ marks, range }: { marks: readonly number[]; range: number }) {
  return (
    <thead>
      <tr>
        <th scope="col">
          <span className="vh">{words.attempt}</span>
        </th>
        <th scope="col" className="what">
          <span className="vh">{words.result}</span>
        </th>
        <th scope="col">
          <span className="vh">{words.course}</span>
          <Axis marks={marks} range={range} />
        </th>
        <th scope="col" className="took">
          <span className="vh">{words.duration}</span>
        </th>
      </tr>
    </thead>
  );
}

function Axis({ marks, range }: { marks: readonly number[]; range: number }) {
  return (
    <div className="course-axis" aria-hidden="true">
      {marks.map((mark) => (
        <span key={mark} style={{ insetInlineStart: `${(mark / range) * 100}%` }}>
          {mark === 0 ? words.due : axisMark(mark)}
        </span>
      ))}
    </div>
  );
}

/** 0.5 s, 3 s, 200 ms: an axis has round marks. */
function axisMark(ms: number): string {
  return ms < 1000 && ms % 100 !== 0 ? `${Number(ms.toFixed(2))} ms` : `${Number((ms / 1000).toFixed(2))} s`;
}

function Wait({ from, to, scale }: { from: number; to: number; scale: (ms: number) => number }) {
  const width = scale(to) - scale(from);
  return width >= 1 ? <Hatched x={scale(from)} y={13} width={width} height={8} /> : null;
}

interface PhasesProps {
  attempt: CourseAttempt;
  end: number;
  scale: (ms: number) => number;
}

function Phases({ attempt, end, scale }: PhasesProps) {
  const { phases, startMs, durationMs } = attempt;
  if (durationMs === null) {
    const width = Math.max(3, scale(end) - scale(startMs));
    return (
      <rect
        className="c-run"
        x={scale(startMs)}
        y="10.5"
        width={width}
        height="13"
        vectorEffect="non-scaling-stroke"
      />
    );
  }
  const known = phases ? PHASES.filter((phase) => phases[phase] !== null) : [];
  if (!phases || known.length === 0) {
    return (
      <rect
        className="c-none"
        x={scale(startMs)}
        y="10"
        width={Math.max(2, scale(end) - scale(startMs))}
        height="14"
      />
    );
  }
  let at = startMs;
  return known.map((phase) => {
    const took = phases[phase] ?? 0;
    const x = scale(at);
    at += took;
    return (
      <rect
        key={phase}
        className={`ph-${phase}`}
        x={x}
        y="10"
        width={Math.max(1.2, scale(took))}
        height="14"
      />
    );
  });
}
