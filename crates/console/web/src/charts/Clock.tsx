import { words } from '../words/en/parts';
import { Hatched } from './Hatch';
import './charts.css';
import './Clock.css';

interface Props {
  /** The local minute of the day at which the clocks change, before the change: 120 for 02:00. */
  fromMinutes: number;
  /** How far they go, in minutes: 60 forward, -60 back. */
  byMinutes: number;
  /** What becomes of the schedule's time in that hour, as the API says it; null where it has none. */
  effect: string | null;
  /** The sentence of it all. */
  label: string;
}

const START = 20;
const STEP = 96;
const WIDTH = 424;

/** A ruler of wall time: the hole in spring, the hour that comes again in autumn, and what runs. */
export function Clock({ fromMinutes, byMinutes, effect, label }: Props) {
  const forward = byMinutes > 0;
  const by = Math.abs(byMinutes);
  // Forward: 01:00, 02:00 (the hole), 03:00, … Back: 01:00, 02:00, 02:00 again, 03:00, …
  const marks = forward
    ? [fromMinutes - 60, fromMinutes, fromMinutes + by, fromMinutes + by + 60, fromMinutes + by + 120]
    : [fromMinutes - by - 60, fromMinutes - by, fromMinutes - by, fromMinutes, fromMinutes + 60];
  const x = (index: number) => START + index * STEP;
  return (
    <svg width="100%" viewBox={`0 0 ${WIDTH} 62`} role="img" aria-label={label}>
      {forward ? (
        <>
          <rect className="c-back" x={x(1)} y="8" width={STEP} height="26" />
          <Hatched x={x(1)} y={8} width={STEP} height={26} />
          <rect className="c-base" x="8" y="34" width={x(1) - 8} height="1.5" />
          <rect className="c-base" x={x(2)} y="34" width={WIDTH - 8 - x(2)} height="1.5" />
        </>
      ) : (
        <>
          <rect className="c-back" x={x(2)} y="8" width={STEP} height="26" />
          <text className="c-axis" x={x(2) + 6} y="25">
            {words.clockAgain}
          </text>
          <rect className="c-base" x="8" y="34" width={WIDTH - 16} height="1.5" />
        </>
      )}
      {marks.map((minutes, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a mark is its place; an hour comes twice
        <g key={index}>
          <path className="c-grid" d={`M${x(index)} 34v8`} />
          <text className="c-axis" x={x(index)} y="56" textAnchor="middle">
            {wall(minutes)}
          </text>
        </g>
      ))}
      {effect !== null &&
        (forward ? (
          <Forward effect={effect} at={x(1)} to={wall(fromMinutes + by)} />
        ) : (
          <Back effect={effect} at={x(1)} />
        ))}
    </svg>
  );
}

function Forward({ effect, at, to }: { effect: string; at: number; to: string }) {
  const from = at + STEP / 2;
  const end = at + STEP;
  if (effect === 'dropped') {
    return (
      <>
        <Struck x={from} />
        <text className="c-label" x={end + 8} y="25">
          {words.clockSkipped}
        </text>
      </>
    );
  }
  return (
    <>
      <circle cx={from} cy="21" r="4.5" className="c-skip" strokeWidth="1.5" strokeDasharray="2 2" />
      <path d={`M${from + 8} 21H${end - 9}`} className="c-skip" strokeWidth="1.5" />
      <path d={`M${end - 12} 18l4 3-4 3`} className="c-skip" strokeWidth="1.5" />
      <circle cx={end} cy="21" r="5" className="c-plan" />
      <text className="c-label" x={end + 11} y="25">
        {words.clockRunsAt(to)}
      </text>
    </>
  );
}

function Back({ effect, at }: { effect: string; at: number }) {
  const first = at + STEP / 2;
  const second = at + STEP * 1.5;
  return (
    <>
      <circle cx={first} cy="21" r="5" className="c-plan" />
      <text className="c-label" x={first + 10} y="25">
        {words.clockRuns}
      </text>
      {effect === 'twice' ? <circle cx={second} cy="21" r="5" className="c-plan" /> : <Struck x={second} />}
    </>
  );
}

function Struck({ x }: { x: number }) {
  return (
    <>
      <circle cx={x} cy="21" r="4.5" className="c-skip" strokeWidth="1.5" />
      <path d={`M${x - 3} 24l6-6`} className="c-skip" strokeWidth="1.5" />
    </>
  );
}

function wall(minutes: number): string {
  const day = ((minutes % 1440) + 1440) % 1440;
  return `${String(Math.floor(day / 60)).padStart(2, '0')}:${String(day % 60).padStart(2, '0')}`;
}
