import { type KeyboardEvent, useState } from 'react';
import { words } from '../words/en/parts';
import { barHeight } from './scale';
import { useWidth } from './useWidth';
import './charts.css';

interface Props {
  /** The hour in words: *Friday 27 November, 02:00 to 02:59*. */
  hour: string;
  /** How many runs each of the 60 minutes has. */
  minutes: readonly number[];
  /** The same after a suggestion. */
  after?: readonly number[];
  /** The local time of a minute: *02:37*. */
  clock: (minute: number) => string;
  /** A minute that stands out, such as that of the job in the editor. */
  marked?: number;
  height?: number;
  onRead?: (text: string | null) => void;
}

const AXIS = 18;
const EVERY = 10;

/** The minutes of an hour, now and with a suggestion. Arrow keys read them. */
export function Minutes({ hour, minutes, after, clock, marked, height = 128, onRead }: Props) {
  const [ref, width] = useWidth<HTMLDivElement>();
  const [at, setAt] = useState<number | null>(null);
  const read = (minute: number | null) => {
    setAt(minute);
    onRead?.(minute === null ? null : words.minute(clock(minute), minutes[minute] ?? 0, after?.[minute]));
  };
  function press(event: KeyboardEvent) {
    const to = { ArrowRight: (at ?? -1) + 1, ArrowLeft: (at ?? 60) - 1, Home: 0, End: 59 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    read(Math.max(0, Math.min(59, to)));
  }
  return (
    // biome-ignore lint/a11y/useSemanticElements: a chart that is read by arrow keys is one tab stop
    <div
      ref={ref}
      className="chart-box"
      role="group"
      aria-label={words.minutes(hour, Math.max(0, ...minutes), after && Math.max(0, ...after))}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a chart that is read by arrow keys is one tab stop
      tabIndex={0}
      onKeyDown={press}
      onBlur={() => read(null)}
      onPointerLeave={() => read(null)}
    >
      {width > 0 && <Drawing {...{ minutes, after, clock, marked, height, width, at }} onPoint={read} />}
    </div>
  );
}

interface DrawingProps {
  minutes: readonly number[];
  after: readonly number[] | undefined;
  clock: (minute: number) => string;
  marked: number | undefined;
  height: number;
  width: number;
  at: number | null;
  onPoint: (minute: number) => void;
}

function Drawing({ minutes, after, clock, marked, height, width, at, onPoint }: DrawingProps) {
  const max = Math.max(1, ...minutes, ...(after ?? []));
  const base = height - AXIS;
  const step = width / 60;
  const every = step * EVERY < 44 ? 2 * EVERY : EVERY;
  const bar = (minute: number, value: number, of: string) => (
    <MinuteBar
      x={minute * step}
      width={Math.max(1, step * 0.8)}
      y={base}
      height={barHeight(value, max, base - 14)}
      kind={of}
    />
  );
  return (
    <svg
      className="chart"
      width={width}
      height={height}
      viewBox={`0 0 ${width} ${height}`}
      aria-hidden="true"
    >
      <rect className="c-base" x="0" y={base} width={width} height="1" />
      {minutes.map((value, minute) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a minute is its place
        <g key={minute}>
          {bar(minute, value, kind(after, minute === marked))}
          {after && bar(minute, after[minute] ?? 0, 'c-plan')}
          {minute % every === 0 && (
            <text className="c-axis" x={minute * step} y={height - 4}>
              {clock(minute)}
            </text>
          )}
          <rect
            className={minute === at ? 'hit read' : 'hit'}
            x={minute * step}
            y="0"
            width={step}
            height={base}
            onPointerEnter={() => onPoint(minute)}
          />
        </g>
      ))}
    </svg>
  );
}

function kind(after: readonly number[] | undefined, marked: boolean): string {
  if (marked) return 'c-plan';
  return after ? 'c-ink-2 faded' : 'c-ink-2';
}

function MinuteBar({
  x,
  width,
  y,
  height,
  kind,
}: {
  x: number;
  width: number;
  y: number;
  height: number;
  kind: string;
}) {
  return height > 0 ? <rect className={kind} x={x} y={y - height} width={width} height={height} /> : null;
}
