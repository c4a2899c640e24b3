import { type KeyboardEvent, type PointerEvent, useId, useState } from 'react';
import { barHeight } from '../../charts/scale';
import { useWidth } from '../../charts/useWidth';
import { count } from '../../format';
import { Button } from '../../parts/Button';
import { timeOfDay, useViewerZone, when } from '../../time';
import { words } from '../../words/en/runs';
import type { Bucket } from './buckets';
import { isMark, markMinutes } from './period';
import '../../charts/charts.css';

interface Props {
  buckets: readonly Bucket[];
  stepMs: number;
  /** What it cannot filter by, in words. */
  note: string | null;
  /** A window was chosen by dragging, or by keys. */
  onPick: (from: number, to: number) => void;
}

const TOP = 4;
const ROOM = 60;
const DOWN = 14;
const HEIGHT = 80;
const LABEL_ROOM = 72;

interface Range {
  from: number;
  to: number;
}

/** When runs were due: above the line what succeeded, below it what failed. Dragging filters the list. */
export function Histogram({ buckets, stepMs, note, onPick }: Props) {
  const [ref, width] = useWidth<HTMLDivElement>();
  const [range, setRange] = useState<Range | null>(null);
  const [isDragging, setDragging] = useState(false);
  const [asTable, setAsTable] = useState(false);
  const zone = useViewerZone();
  const help = useId();
  const says = (bucket: Bucket, last = bucket) =>
    words.bucket(
      words.window(when(bucket.at, zone), timeOfDay(last.at + stepMs, zone, false)),
      sum(buckets, bucket, last),
    );
  const pick = (chosen: Range) => {
    const [first, last] = ordered(chosen).map((index) => buckets[index]);
    if (first && last) onPick(first.at, last.at + stepMs);
    setRange(null);
  };
  function press(event: KeyboardEvent) {
    if (event.metaKey || event.ctrlKey || event.altKey) return;
    const at = range?.to ?? buckets.length;
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: buckets.length - 1 }[event.key];
    if (event.key === 't') setAsTable(!asTable);
    else if (to !== undefined) {
      const place = Math.max(0, Math.min(buckets.length - 1, to));
      setRange({ from: event.shiftKey && range ? range.from : place, to: place });
    } else if (event.key === 'Enter' && range) pick(range);
    else if (event.key === 'Escape' && range) setRange(null);
    else return;
    event.preventDefault();
  }
  const place = (event: PointerEvent<SVGSVGElement>) => {
    const box = event.currentTarget.getBoundingClientRect();
    const index = Math.floor(((event.clientX - box.left) / Math.max(1, box.width)) * buckets.length);
    return Math.max(0, Math.min(buckets.length - 1, index));
  };
  const pointers = {
    onPointerDown: (event: PointerEvent<SVGSVGElement>) => {
      if (event.button !== 0) return;
      event.currentTarget.setPointerCapture(event.pointerId);
      setDragging(true);
      setRange({ from: place(event), to: place(event) });
    },
    onPointerMove: (event: PointerEvent<SVGSVGElement>) => {
      const to = place(event);
      setRange((was) => (isDragging && was ? { from: was.from, to } : { from: to, to }));
    },
    onPointerUp: () => {
      setDragging(false);
      if (isDragging && range) pick(range);
    },
    onPointerCancel: () => {
      setDragging(false);
      setRange(null);
    },
    onPointerLeave: () => !isDragging && setRange(null),
  };
  const [first, last] = range ? ordered(range).map((index) => buckets[index]) : [];
  return (
    // biome-ignore lint/a11y/useSemanticElements: a chart that is read by arrow keys is one tab stop
    <div
      ref={ref}
      className="hist"
      role="group"
      aria-label={words.histogram}
      aria-describedby={help}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a chart that is read by arrow keys is one tab stop
      tabIndex={0}
      onKeyDown={press}
      onBlur={() => setRange(null)}
    >
      <span className="vh" id={help}>
        {words.histogramHelp}
      </span>
      <div className="hist-says">
        <span aria-live="polite">{first && last ? says(first, last) : total(buckets)}</span>
        <span className="only-wide">{note ?? words.dragHint}</span>
      </div>
      {asTable && <BucketTable {...{ buckets, stepMs, zone }} onBack={() => setAsTable(false)} />}
      {!asTable && width > 0 && (
        <svg
          className="chart"
          width={width}
          height={HEIGHT}
          viewBox={`0 0 ${width} ${HEIGHT}`}
          aria-hidden="true"
          {...pointers}
        >
          <rect className="hist-hit" width={width} height={HEIGHT} />
          <Drawing {...{ buckets, stepMs, width, zone, range }} />
        </svg>
      )}
    </div>
  );
}

function ordered({ from, to }: Range): [number, number] {
  return from <= to ? [from, to] : [to, from];
}

function sum(buckets: readonly Bucket[], first: Bucket, last: Bucket) {
  const parts = { succeeded: 0, failed: 0, skipped: 0 };
  for (const bucket of buckets) {
    if (bucket.at < first.at || bucket.at > last.at) continue;
    parts.succeeded += bucket.succeeded;
    parts.failed += bucket.failed;
    parts.skipped += bucket.skipped;
  }
  return parts;
}

function total(buckets: readonly Bucket[]): string {
  const [first, last] = [buckets[0], buckets.at(-1)];
  const all = first && last ? sum(buckets, first, last) : { succeeded: 0, failed: 0 };
  return words.chartSum(all.succeeded, all.failed);
}

interface DrawingProps {
  buckets: readonly Bucket[];
  stepMs: number;
  width: number;
  zone: string;
  range: Range | null;
}

function Drawing({ buckets, stepMs, width, zone, range }: DrawingProps) {
  const step = width / Math.max(1, buckets.length);
  const bar = Math.max(1, Math.min(step - 1, step * 0.78, 26));
  const most = Math.max(1, ...buckets.map((it) => it.succeeded));
  const mostFailed = Math.max(1, ...buckets.map((it) => it.failed));
  // Where only failures are shown, they have all the room.
  const onlyFailed = buckets.every((it) => it.succeeded === 0) && buckets.some((it) => it.failed > 0);
  const base = onlyFailed ? TOP : ROOM - DOWN;
  const below = ROOM - base;
  const every = markMinutes((LABEL_ROOM / step) * stepMs);
  const [low, high] = range ? ordered(range) : [0, -1];
  return (
    <>
      {range && (
        <>
          <rect
            className="hist-range"
            x={low * step}
            width={(high - low + 1) * step}
            y="0"
            height={ROOM + 6}
          />
          <rect
            className="hist-edge"
            x={low * step}
            width={(high - low + 1) * step}
            y={ROOM + 4}
            height="2"
          />
        </>
      )}
      <rect className="c-base" x="0" y={base} width={width} height="1" />
      {buckets.map((bucket, index) => {
        const x = index * step + (step - bar) / 2;
        const up = barHeight(bucket.succeeded, most, base - TOP);
        const down = barHeight(bucket.failed, Math.max(mostFailed, most / 50), below - 2, 3);
        return (
          <g key={bucket.at}>
            {up > 0 && <rect className="c-ok" x={x} y={base - up} width={bar} height={up} rx="1" />}
            {down > 0 && <rect className="c-bad" x={x} y={base + 2} width={bar} height={down} rx="1" />}
            {bucket.skipped > 0 && up === 0 && down === 0 && (
              <circle className="c-skip" cx={x + bar / 2} cy={base - 4} r="2.5" />
            )}
            {isMark(bucket.at, zone, every) && index * step < width - LABEL_ROOM / 2 && (
              <text className="c-axis" x={index * step} y={HEIGHT - 4}>
                {when(bucket.at, zone)}
              </text>
            )}
          </g>
        );
      })}
    </>
  );
}

interface TableProps {
  buckets: readonly Bucket[];
  stepMs: number;
  zone: string;
  onBack: () => void;
}

function BucketTable({ buckets, stepMs, zone, onBack }: TableProps) {
  return (
    <div className="hist-table">
      <Button small onClick={onBack}>
        {words.showChart}
      </Button>
      <table className="tbl compact">
        <caption className="vh">{words.histogram}</caption>
        <thead>
          <tr>
            <th scope="col">{words.columns.time}</th>
            {(['succeeded', 'failed', 'skipped'] as const).map((key) => (
              <th key={key} scope="col" className="num">
                {words.columns[key]}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {buckets.map((bucket) => (
            <tr key={bucket.at}>
              <th scope="row">
                {words.window(when(bucket.at, zone), timeOfDay(bucket.at + stepMs, zone, false))}
              </th>
              {(['succeeded', 'failed', 'skipped'] as const).map((key) => (
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
