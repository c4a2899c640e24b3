import { words } from '../words/en/parts';
import { barHeight } from './scale';
import './charts.css';

export interface StripRun {
  id: string;
  /** The status of the run, as the API says it. */
  status: string;
  durationMs: number | null;
  attempts: number;
}

interface Props {
  /** Oldest first. */
  runs: readonly StripRun[];
  /** Places for so many; the newest stands at the end. */
  places: number;
  size?: 'row' | 'small';
  /** The sentence for assistive technology, where the usual one is not enough. */
  label?: string;
  /** Marks one of them, on the page of that run. */
  chosen?: string;
}

const SIZES = { row: { up: 16, down: 8 }, small: { up: 11, down: 6 } };
const STEP = 6;
const BAR = 4;

/** A bar a run, as high as it was long within the strip; what failed hangs below the line. */
export function Strip({ runs, places, size = 'row', label, chosen }: Props) {
  const { up, down } = SIZES[size];
  const shown = runs.slice(-places);
  const longest = Math.max(1, ...shown.map((run) => run.durationMs ?? 0));
  const width = places * STEP - (STEP - BAR);
  const empty = places - shown.length;
  const failed = shown.filter((run) => run.status === 'failed').length;
  const skipped = shown.filter((run) => run.status === 'skipped').length;
  return (
    <svg
      className="strip"
      width={width}
      height={up + 1 + down}
      viewBox={`0 0 ${width} ${up + 1 + down}`}
      role="img"
      aria-label={label ?? words.strip(shown.length, failed, skipped)}
    >
      <rect className="c-base" x="0" y={up} width={width} height="1" />
      {shown.map((run, index) => (
        <StripBar
          key={run.id}
          run={run}
          x={(empty + index) * STEP}
          width={BAR}
          up={up}
          down={down}
          longest={longest}
          chosen={run.id === chosen}
        />
      ))}
    </svg>
  );
}

interface BarProps {
  run: StripRun;
  x: number;
  width: number;
  up: number;
  down: number;
  longest: number;
  chosen?: boolean;
}

/** One run of a strip. */
export function StripBar({ run, x, width, up, down, longest, chosen }: BarProps) {
  const room = up - 4;
  const height = barHeight(run.durationMs ?? 0, longest, room, 3);
  const mark = chosen ? <rect className="c-now" x={x} y={up + 2} width={width} height="2" /> : null;
  switch (run.status) {
    case 'failed':
      return (
        <>
          <rect className="c-bad" x={x} y={up + 1} width={width} height={down - 1} />
          {mark}
        </>
      );
    case 'skipped':
    case 'cancelled':
      return (
        <circle
          className="c-skip"
          cx={x + width / 2}
          cy={up - width / 2 - 1.5}
          r={width / 2 - 0.5}
          strokeWidth="1"
        />
      );
    case 'queued':
    case 'running':
    case 'retrying':
      return (
        <rect className="c-run" x={x + 0.5} y={up - 11.5} width={width - 1} height="11" strokeWidth="1" />
      );
    default:
      return (
        <>
          <rect className="c-ok" x={x} y={up - height} width={width} height={height} />
          {run.attempts > 1 && (
            <rect className="c-retry" x={x} y={up - height - 4} width={width} height="3" />
          )}
          {mark}
        </>
      );
  }
}
