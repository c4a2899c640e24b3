import type { ReactNode } from 'react';
import { words } from '../words/en/parts';
import { Hatched } from './Hatch';
import './charts.css';

const MARKS = {
  succeeded: (
    <svg width="11" height="12" aria-hidden="true">
      <rect className="c-ok" x="1" y="1" width="4" height="10" />
      <rect className="c-base" x="0" y="11" width="10" height="1" />
      <rect className="c-ok" x="6" y="4" width="4" height="7" />
    </svg>
  ),
  failed: (
    <svg width="11" height="12" aria-hidden="true">
      <rect className="c-base" x="0" y="2" width="10" height="1" />
      <rect className="c-bad" x="1" y="3" width="4" height="8" />
    </svg>
  ),
  upcoming: (
    <svg width="11" height="12" aria-hidden="true">
      <rect className="c-plan-soft" x="1" y="2" width="8" height="9" />
      <rect className="c-plan" x="1" y="2" width="8" height="2" />
    </svg>
  ),
  retried: (
    <svg width="11" height="12" aria-hidden="true">
      <rect className="c-ok" x="3" y="6" width="4" height="5" />
      <rect className="c-retry" x="3" y="2" width="4" height="3" />
    </svg>
  ),
  skipped: (
    <svg width="11" height="12" aria-hidden="true">
      <circle className="c-skip" cx="5" cy="7" r="2.5" />
    </svg>
  ),
  connection: (
    <svg width="10" height="10" aria-hidden="true">
      <rect className="ph-dns" width="3" height="10" />
      <rect className="ph-connect" x="3.5" width="3" height="10" />
      <rect className="ph-tls" x="7" width="3" height="10" />
    </svg>
  ),
  wait: (
    <svg width="10" height="10" aria-hidden="true">
      <rect className="ph-wait" width="10" height="10" />
    </svg>
  ),
  body: (
    <svg width="10" height="10" aria-hidden="true">
      <rect className="ph-body" width="10" height="10" />
    </svg>
  ),
  before: (
    <svg width="10" height="10" aria-hidden="true">
      <rect className="c-ink-2" opacity=".35" width="10" height="10" />
    </svg>
  ),
  after: (
    <svg width="10" height="10" aria-hidden="true">
      <rect className="c-plan" width="10" height="10" />
    </svg>
  ),
} satisfies Record<string, ReactNode>;

type LegendMark = keyof typeof MARKS | 'duration' | 'delay';

/** What the marks of a chart mean. */
export function Legend({ marks, className }: { marks: readonly LegendMark[]; className?: string }) {
  return (
    <span className={className ? `legend ${className}` : 'legend'}>
      {marks.map((mark) => (
        <span key={mark}>
          {mark === 'delay' ? <Waits /> : MARKS[mark === 'duration' ? 'succeeded' : mark]}
          {words.legend[mark]}
        </span>
      ))}
    </span>
  );
}

function Waits() {
  return (
    <svg width="10" height="10" aria-hidden="true">
      <Hatched x={0} y={0} width={10} height={10} />
    </svg>
  );
}
