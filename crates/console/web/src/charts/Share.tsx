import './charts.css';

/** A share of a whole as a bar, beside its figure. */
export function Share({ part, whole }: { part: number; whole: number }) {
  const width = whole > 0 ? Math.max(part > 0 ? 4 : 0, Math.round((part / whole) * 96)) : 0;
  return (
    <svg width="96" height="6" viewBox="0 0 96 6" aria-hidden="true">
      <rect className="c-none" width="96" height="6" rx="1" />
      <rect className="c-ink-2" width={width} height="6" rx="1" />
    </svg>
  );
}
