import { words } from '../words/en/parts';
import './charts.css';

/** How long each phase of an attempt took; null where it did not happen. */
export interface PhaseTimes {
  dns: number | null;
  connect: number | null;
  tls: number | null;
  wait: number | null;
  body: number | null;
}

export type Phase = keyof PhaseTimes;

export const PHASES: readonly Phase[] = ['dns', 'connect', 'tls', 'wait', 'body'];

/** The phases of an attempt in one bar, such as beside a test. */
export function Lane({ times, format }: { times: PhaseTimes; format: (ms: number) => string }) {
  const known = PHASES.filter((phase) => times[phase] !== null);
  const total = known.reduce((sum, phase) => sum + (times[phase] ?? 0), 0) || 1;
  const label = known.map((phase) => `${words.phases[phase]} ${format(times[phase] ?? 0)}`).join(', ');
  let x = 0;
  return (
    <svg
      className="lane"
      width="100%"
      height="10"
      viewBox="0 0 400 10"
      preserveAspectRatio="none"
      role="img"
      aria-label={label}
    >
      {known.map((phase) => {
        const width = Math.max(3, ((times[phase] ?? 0) / total) * 400);
        const at = x;
        x += width;
        return <rect key={phase} className={`ph-${phase}`} x={at} y="2" width={width - 1} height="6" />;
      })}
    </svg>
  );
}
