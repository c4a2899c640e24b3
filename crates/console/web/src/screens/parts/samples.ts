import type { StripRun } from '../../charts/Strip';

/** Runs that look like runs, the same ones each time. */
export function someRuns(count: number, failedAtEnd: number): StripRun[] {
  return Array.from({ length: count }, (_, n) => ({
    id: `exe_${n}`,
    status: n >= count - failedAtEnd ? 'failed' : n % 11 === 7 ? 'skipped' : 'succeeded',
    durationMs: 100 + ((n * 37) % 90),
    attempts: n % 9 === 4 ? 2 : 1,
  }));
}
