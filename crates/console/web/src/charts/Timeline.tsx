import { type KeyboardEvent, useId, useState } from 'react';
import { count } from '../format';
import { words } from '../words/en/parts';
import { barHeight } from './scale';
import { useWidth } from './useWidth';
import './charts.css';
import './Timeline.css';

export interface TimelineBucket {
  /** Identifies the bucket: its first instant. */
  at: string;
  /** *14:15 to 14:30* */
  window: string;
  /** A word under the axis, where one stands. */
  mark?: string;
  succeeded: number;
  failed: number;
  skipped: number;
  /** Fires that are to come; in the bucket of now, beside what ran. */
  planned: number;
}

interface Props {
  title: string;
  buckets: readonly TimelineBucket[];
  /** Where now is, in buckets from the start: 72.5 is the middle of the 73rd; null where now is not in it. */
  now: number | null;
  nowLabel: string;
  /** What is read at the moment, in words; null when nothing is. */
  onRead?: (text: string | null) => void;
  /** Enter or a click on a bucket. */
  onOpen?: (bucket: TimelineBucket) => void;
}

const TOP = 16;
const UP = 120;
const DOWN = 27;
const HEIGHT = 162;

/** Past and coming runs on one axis, now as an ink line. Arrow keys read the buckets, Enter opens one, T shows the table. */
export function Timeline({ title, buckets, now, nowLabel, onRead, onOpen }: Props) {
  const [ref, width] = useWidth<HTMLDivElement>();
  const [at, setAt] = useState<number | null>(null);
  const [asTable, setAsTable] = useState(false);
  const help = useId();
  const read = (index: number | null) => {
    const bucket = index === null ? undefined : buckets[index];
    setAt(bucket ? index : null);
    onRead?.(bucket ? saying(bucket) : null);
  };
  function back() {
    setAsTable(false);
    ref.current?.focus();
  }
  function press(event: KeyboardEvent) {
    if (event.metaKey || event.ctrlKey || event.altKey) return;
    if (event.key === 't') setAsTable(!asTable);
    else if (asTable) return;
    else if (event.key === 'Enter') {
      const bucket = at === null ? undefined : buckets[at];
      if (bucket) onOpen?.(bucket);
    } else {
      const to = step(event.key, at ?? Math.floor(now ?? buckets.length) - 1, buckets.length);
      if (to === undefined) return;
      read(to);
    }
    event.preventDefault();
  }
  return (
    // biome-ignore lint/a11y/useSemanticElements: a chart that is read by arrow keys is one tab stop
    <div
      ref={ref}
      className="chart-box"
      role="group"
      aria-label={title}
      aria-describedby={help}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a chart that is read by arrow keys is one tab stop
      tabIndex={0}
      onKeyDown={press}
      onBlur={() => read(null)}
      onPointerLeave={() => read(null)}
    >
      <span className="vh" id={help}>
        {words.timelineHelp}
      </span>
      {asTable && <TimelineTable title={title} buckets={buckets} onBack={back} />}
      {!asTable && width > 0 && <Drawing {...{ buckets, now, nowLabel, width, at, onOpen }} onPoint={read} />}
    </div>
  );
}

function saying(bucket: TimelineBucket): string {
  return words.timelineBucket(bucket.window, bucket.succeeded + bucket.failed, bucket.failed, bucket.planned);
}

function step(key: string, at: number, buckets: number): number | undefined {
  const to = {
    ArrowRight: at + 1,
    ArrowLeft: at - 1,
    Home: 0,
    End: buckets - 1,
    PageUp: at - 12,
    PageDown: at + 12,
  }[key];
  return to === undefined ? undefined : Math.max(0, Math.min(buckets - 1, to));
}

interface DrawingProps {
  buckets: readonly TimelineBucket[];
  now: number | null;
  nowLabel: string;
  width: number;
  at: number | null;
  onPoint: (index: number) => void;
  onOpen?: (bucket: TimelineBucket) => void;
}

function Drawing({ buckets, now, nowLabel, width, at, onPoint, onOpen }: DrawingProps) {
  const stepWidth = width / Math.max(1, buckets.length);
  const bar = Math.max(1, Math.min(stepWidth - 1, stepWidth * 0.78));
  const most = Math.max(
    1,
    ...buckets.map((it) => Math.max(it.succeeded, it.planned + (it.planned ? it.succeeded : 0))),
  );
  const mostFailed = Math.max(1, ...buckets.map((it) => it.failed));
  const readable = readableMarks(buckets, stepWidth, width);
  return (
    <svg
      className="chart"
      width={width}
      height={HEIGHT}
      viewBox={`0 0 ${width} ${HEIGHT}`}
      aria-hidden="true"
    >
      {buckets.map((bucket, index) => (
        <g key={bucket.at}>
          {bucket.mark && <Mark x={index * stepWidth} text={readable.has(index) ? bucket.mark : null} />}
          <Bars {...{ bucket, bar, most, mostFailed }} x={index * stepWidth + (stepWidth - bar) / 2} />
        </g>
      ))}
      <rect className="c-base" x="0" y={UP} width={width} height="1" />
      {now !== null && (
        <>
          <rect
            className="c-now"
            x={now * stepWidth - 0.5}
            y={TOP - 10}
            width="1.5"
            height={HEIGHT - TOP + 4}
          />
          <text className="c-label c-ink" x={now * stepWidth + 5} y={TOP - 2}>
            {nowLabel}
          </text>
        </>
      )}
      {buckets.map((bucket, index) => (
        // biome-ignore lint/a11y/noStaticElementInteractions: the group around it takes the same by arrow keys and Enter
        <rect
          key={bucket.at}
          className={index === at ? 'hit read' : 'hit'}
          x={index * stepWidth}
          y={TOP}
          width={stepWidth}
          height={HEIGHT - TOP - 6}
          onPointerEnter={() => onPoint(index)}
          onClick={() => onOpen?.(bucket)}
        />
      ))}
    </svg>
  );
}

const MARK_INSET = 4;
const MAX_CHARACTER_WIDTH = 6.5;

/** The marks whose text has room: none is drawn over the one before it, or out of the chart. */
function readableMarks(buckets: readonly TimelineBucket[], stepWidth: number, width: number): Set<number> {
  const readable = new Set<number>();
  let end = 0;
  for (const [index, { mark }] of buckets.entries()) {
    const x = index * stepWidth;
    const right = x + MARK_INSET + (mark?.length ?? 0) * MAX_CHARACTER_WIDTH;
    if (!mark || x < end || right > width) continue;
    readable.add(index);
    end = right;
  }
  return readable;
}

function Mark({ x, text }: { x: number; text: string | null }) {
  return (
    <>
      <path className="c-grid" d={`M${x} ${UP}v40`} />
      {text && (
        <text className="c-axis" x={x + MARK_INSET} y={HEIGHT - 2}>
          {text}
        </text>
      )}
    </>
  );
}

interface BarsProps {
  bucket: TimelineBucket;
  x: number;
  bar: number;
  most: number;
  mostFailed: number;
}

function Bars({ bucket, x, bar, most, mostFailed }: BarsProps) {
  const room = UP - TOP;
  const ran = barHeight(bucket.succeeded, most, room);
  const planned = barHeight(bucket.planned + (bucket.planned ? bucket.succeeded : 0), most, room);
  const failed = barHeight(bucket.failed, Math.max(mostFailed, most / 50), DOWN, 4);
  return (
    <>
      {planned > 0 && (
        <>
          <rect className="c-plan-soft" x={x} y={UP - planned} width={bar} height={planned} />
          <rect className="c-plan" x={x} y={UP - planned} width={bar} height="2" />
        </>
      )}
      {ran > 0 && <rect className="c-ok" x={x} y={UP - ran} width={bar} height={ran} rx="1" />}
      {failed > 0 && <rect className="c-bad" x={x} y={UP + 2} width={bar} height={failed} rx="1" />}
    </>
  );
}

/** The same figures as a table, which scrolls in its place. */
function TimelineTable({
  title,
  buckets,
  onBack,
}: {
  title: string;
  buckets: readonly TimelineBucket[];
  onBack: () => void;
}) {
  return (
    <div className="timeline-table">
      <button type="button" className="btn small" onClick={onBack}>
        {words.showChart}
      </button>
      <table className="tbl compact">
        <caption className="vh">{title}</caption>
        <thead>
          <tr>
            <th scope="col">{words.columnTime}</th>
            {[words.columnSucceeded, words.columnFailed, words.columnSkipped, words.columnUpcoming].map(
              (head) => (
                <th key={head} scope="col" className="num">
                  {head}
                </th>
              ),
            )}
          </tr>
        </thead>
        <tbody>
          {buckets.map((bucket) => (
            <tr key={bucket.at}>
              <th scope="row">{bucket.window}</th>
              {(['succeeded', 'failed', 'skipped', 'planned'] as const).map((key) => (
                <td key={key} className="num dim">
                  {count(bucket[key])}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
