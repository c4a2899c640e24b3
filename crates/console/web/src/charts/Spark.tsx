import './charts.css';

const WIDTH = 72;
const HEIGHT = 22;
// Fewer points are no trend.
const LEAST = 4;

/** A trend without an axis, beside its figure only; the figure says what it is. */
export function Spark({ values }: { values: readonly (number | null)[] }) {
  const known = values.filter((value) => value !== null);
  if (known.length < LEAST) return null;
  const low = Math.min(...known);
  const range = Math.max(...known) - low || 1;
  const step = WIDTH / (values.length - 1);
  const points = values.flatMap((value, index) =>
    value === null
      ? []
      : [`${(index * step).toFixed(1)},${(HEIGHT - 1 - ((value - low) / range) * (HEIGHT - 2)).toFixed(1)}`],
  );
  return (
    <svg width={WIDTH} height={HEIGHT} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden="true">
      <polyline className="c-spark" points={points.join(' ')} />
    </svg>
  );
}
