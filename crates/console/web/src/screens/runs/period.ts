/** Instants and periods as a filter has them: `24h`, `7d`, `2026-11-26T14:00`, or RFC 3339. */

import { dayOf } from '../../time';

const UNITS_MS: Record<string, number> = { m: 60_000, h: 3_600_000, d: 86_400_000 };
const RELATIVE = /^(\d{1,4})([mhd])$/;
const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/;
const WALL = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::(\d\d))?)?$/;

/** The instant that a value of the address means, or null. */
export function readPeriod(value: string, now: number): number | null {
  const relative = RELATIVE.exec(value);
  if (relative) return now - Number(relative[1]) * (UNITS_MS[relative[2] as string] as number);
  if (!RFC_3339.test(value)) return null;
  const at = Date.parse(value);
  return Number.isNaN(at) ? null : at;
}

/** The instant of a wall time in a zone, or null if the text is none. In a gap, it is the instant after it. */
export function instantOf(text: string, zone: string): number | null {
  const wall = WALL.exec(text);
  if (!wall) return null;
  const asUtc = Date.parse(`${wall[1]}T${wall[2] ?? '00:00'}:${wall[3] ?? '00'}Z`);
  if (Number.isNaN(asUtc)) return null;
  const offset = (at: number) => wallAsUtc(at, zone) - Math.floor(at / 1000) * 1000;
  const guess = asUtc - offset(asUtc);
  return asUtc - offset(guess);
}

/** 2026-11-26T14:00, with seconds where there are some. */
export function wallTime(at: number, zone: string): string {
  return `${dayOf(at, zone)}T${clock(at, zone).replace(/:00$/, '')}`;
}

function wallAsUtc(at: number, zone: string): number {
  return Date.parse(`${dayOf(at, zone)}T${clock(at, zone)}Z`);
}

// Always of 24 hours: what is written here is read again.
function clock(at: number, zone: string): string {
  return new Date(at).toLocaleTimeString('en-GB', { timeZone: zone, hourCycle: 'h23' });
}

// The histogram ------------------------------------------------------------------------------------

const MINUTE_S = 60;
const HOUR_S = 3_600;
const STEPS_S = [1, 2, 5, 10, 15, 30]
  .map((it) => it * MINUTE_S)
  .concat([1, 2, 3, 6, 12, 24].map((it) => it * HOUR_S));
const MAX_BUCKETS = 120;
const FINE_FOR_MS = 30 * HOUR_S * 1000;

/** The window of the histogram: that of the filter, otherwise the last day. */
export function histogramWindow(
  from: number | null,
  to: number | null,
  now: number,
): { from: number; to: number } {
  const end = Math.min(to ?? now, Math.max(now, from ?? now));
  const start = from ?? end - 24 * HOUR_S * 1000;
  return start < end ? { from: start, to: end } : { from: start, to: start + HOUR_S * 1000 };
}

/**
 * The length of a bucket in seconds. Buckets of less than an hour are kept for the workspace and the last 30 hours, or
 * computed for one job.
 */
export function bucketSeconds(
  window: { from: number; to: number },
  now: number,
  what: 'workspace' | 'job' | 'other',
): number {
  const isFine = what === 'job' || (what === 'workspace' && window.from >= now - FINE_FOR_MS + HOUR_S * 1000);
  const least = isFine ? MINUTE_S : HOUR_S;
  const seconds = (window.to - window.from) / 1000;
  return STEPS_S.find((step) => step >= least && seconds / step <= MAX_BUCKETS) ?? 24 * HOUR_S;
}

const MARK_MINUTES = [5, 10, 15, 30, 60, 120, 180, 240, 360, 720, 1440, 2880, 10_080];

/** How many minutes lie between the marks of an axis, if each needs the room of so many milliseconds. */
export function markMinutes(roomMs: number): number {
  return MARK_MINUTES.find((minutes) => minutes * 60_000 >= roomMs) ?? 10_080;
}

/** Whether a mark stands at an instant: marks are at round times of the day, in the zone. */
export function isMark(at: number, zone: string, everyMinutes: number): boolean {
  return (wallAsUtc(at, zone) / 60_000) % everyMinutes === 0;
}
