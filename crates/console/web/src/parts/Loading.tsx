import { useEffect, useState } from 'react';
import { words } from '../words/en/parts';
import './Loading.css';

const BARS_AFTER_MS = 150;

/** Whether a wait is long enough to be shown. */
export function useLate(): boolean {
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), BARS_AFTER_MS);
    return () => clearTimeout(timer);
  }, []);
  return late;
}

/** Grey bars of the height of what is to come; nothing for the first 150 ms. */
export function Bars({ rows = 3, compact }: { rows?: number; compact?: boolean }) {
  const late = useLate();
  return (
    <div className={compact ? 'bars compact' : 'bars'} role="status">
      <span className="vh">{late && words.loading}</span>
      {Array.from({ length: rows }, (_, row) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: bars have no identity
        <div key={row} className="bars-row" aria-hidden="true">
          {late && <span className="skel w1" />}
          {late && !compact && <span className="skel w2" />}
        </div>
      ))}
    </div>
  );
}

/** A grey block of a height in rem, for a chart that is to come. */
export function BlockBar({ height }: { height: number }) {
  const late = useLate();
  return (
    <div className="block-bar" style={{ height: `${height}rem` }} role="status">
      <span className="vh">{late && words.loading}</span>
      {late && <span className="skel" aria-hidden="true" />}
    </div>
  );
}
