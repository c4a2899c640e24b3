import { duration } from '../format';
import { words } from '../words/en/parts';
import { barHeight } from './scale';
import { useWidth } from './useWidth';
import './charts.css';

interface Props {
  /** Ascending ranges; each begins at half of its end, as the API counts them. */
  histogram: readonly { belowMs: number; count: number }[];
  p50: number | null;
  p99: number | null;
  label?: string;
}

const BASE = 64;
const HEIGHT = 78;
const MARKS = 4;

/** A histogram in doubling steps, with p50 and p99 marked. */
export function Lateness({ histogram, p50, p99, label = words.lateness }: Props) {
  const [ref, width] = useWidth<HTMLDivElement>();
  const bins = filled(histogram);
  const max = Math.max(1, ...bins.map((bin) => bin.count));
  const step = width / Math.max(1, bins.length);
  const first = bins[0]?.belowMs ?? 1;
  const scale = (ms: number) => Math.max(0, Math.min(width - 1, (Math.log2(ms / first) + 1) * step));
  const every = Math.max(1, Math.ceil(bins.length / MARKS));
  const said = [label, p50 !== null && `p50 ${duration(p50)}`, p99 !== null && `p99 ${duration(p99)}`]
    .filter(Boolean)
    .join(', ');
  const near = p50 !== null && p99 !== null && scale(p99) - scale(p50) < 30;
  return (
    <div ref={ref} className="chart-box">
      {width > 0 && bins.length > 0 && (
        <svg width={width} height={HEIGHT} viewBox={`0 0 ${width} ${HEIGHT}`} role="img" aria-label={said}>
          <rect className="c-base" x="0" y={BASE} width={width} height="1" />
          {bins.map((bin, index) => {
            const height = barHeight(bin.count, max, BASE - 16, 1);
            return (
              <rect
                key={bin.belowMs}
                className="c-ok"
                x={index * step}
                y={BASE - height}
                width={Math.max(1, step - 1.5)}
                height={height}
              />
            );
          })}
          {bins.map(
            (bin, index) =>
              index % every === 0 && (
                <text key={bin.belowMs} className="c-axis" x={Math.min(index * step, width - 44)} y="76">
                  {duration(bin.belowMs / 2)}
                </text>
              ),
          )}
          {p50 !== null && <Mark x={scale(p50)} y={9} width={width} text="p50" />}
          {p99 !== null && <Mark x={scale(p99)} y={near ? 21 : 9} width={width} text="p99" />}
        </svg>
      )}
    </div>
  );
}

function Mark({ x, y, width, text }: { x: number; y: number; width: number; text: string }) {
  const atEnd = x > width - 28;
  return (
    <>
      <path className="c-usual" d={`M${x} 0v${BASE}`} strokeDasharray="2 2" />
      <text className="c-label" x={atEnd ? x - 4 : x + 4} y={y} textAnchor={atEnd ? 'end' : 'start'}>
        {text}
      </text>
    </>
  );
}

/** The ranges between the first and the last, also those with nothing in them. */
function filled(histogram: Props['histogram']): { belowMs: number; count: number }[] {
  const out: { belowMs: number; count: number }[] = [];
  for (const bin of histogram) {
    for (let last = out.at(-1); last && last.belowMs * 2 < bin.belowMs * 0.99; last = out.at(-1)) {
      out.push({ belowMs: last.belowMs * 2, count: 0 });
    }
    out.push(bin);
  }
  return out;
}
