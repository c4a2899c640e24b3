/** Numbers as people read them. Times are in time.ts. */

const LOCALE = 'en-GB';
const integers = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 0 });
const plurals = new Intl.PluralRules(LOCALE);
const lists = new Intl.ListFormat(LOCALE, { type: 'conjunction' });

/** 1,284 */
export function count(n: number): string {
  return integers.format(n);
}

/** 1 job, 1,284 jobs */
export function counted(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${plurals.select(n) === 'one' ? one : many}`;
}

/** a, b and c */
export function list(items: readonly string[]): string {
  return lists.format(items);
}

/** 99.93% of a ratio; 100% only if all of them are, 0% only if none is. */
export function percent(ratio: number): string {
  if (ratio === 1) return '100%';
  if (ratio === 0) return '0%';
  const value = Math.min(99.99, Math.max(0.01, ratio * 100));
  return `${value >= 99 || value < 1 ? value.toFixed(2).replace(/0$/, '') : value.toFixed(1)}%`;
}

/** 3 of 12 as a ratio, or null if there is nothing to divide by. */
export function ratio(part: number, whole: number): number | null {
  return whole > 0 ? part / whole : null;
}

/** A value and its unit apart, for figures that draw the unit small. */
export interface Measure {
  value: string;
  unit: string;
}

/** The two largest units of a duration in milliseconds, as pairs of value and unit. */
export function durationParts(ms: number): Measure[] {
  const abs = Math.abs(ms);
  if (abs < 1) return [{ value: abs === 0 ? '0' : String(Number(abs.toFixed(1)) || 0.1), unit: 'ms' }];
  if (abs < 10) return [{ value: String(Number(abs.toFixed(1))), unit: 'ms' }];
  if (abs < 999.5) return [{ value: String(Math.round(abs)), unit: 'ms' }];
  if (abs < 9_995) return [{ value: (abs / 1000).toFixed(2), unit: 's' }];
  if (abs < 59_950) return [{ value: (abs / 1000).toFixed(1), unit: 's' }];
  return longParts(Math.round(abs / 1000));
}

function longParts(seconds: number): Measure[] {
  const units: [string, number][] = [
    ['d', 86_400],
    ['h', 3_600],
    ['min', 60],
    ['s', 1],
  ];
  const at = units.findIndex(([, size]) => seconds >= size);
  if (at < 0) return [{ value: '0', unit: 's' }];
  const [unit, size] = units[at] as [string, number];
  const parts = [{ value: String(Math.floor(seconds / size)), unit }];
  const next = units[at + 1];
  const rest = next ? Math.floor((seconds % size) / next[1]) : 0;
  if (next && rest > 0) parts.push({ value: String(rest), unit: next[0] });
  return parts;
}

/** 0.2 ms, 148 ms, 6.84 s, 31.6 s, 2 min 53 s, 11 h 57 min, 3 d 16 h */
export function duration(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return '–';
  return (ms < 0 ? '−' : '') + joined(durationParts(ms));
}

/** Whole seconds and coarser: what a countdown shows. 53 s, 2 min 53 s, 11 h 57 min. */
export function wholeDuration(ms: number): string {
  return joined(longParts(Math.max(0, Math.floor(ms / 1000))));
}

function joined(parts: Measure[]): string {
  return parts.map((part) => `${part.value} ${part.unit}`).join(' ');
}

/** 812 B, 64 KiB, 1.4 MiB */
export function bytes(n: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = n;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : Number(value.toFixed(1))} ${units[unit]}`;
}

/** 1st, 2nd, 3rd, 4th */
export function ordinal(n: number): string {
  const ending = { one: 'st', two: 'nd', few: 'rd', other: 'th', zero: 'th', many: 'th' };
  return `${n}${ending[new Intl.PluralRules(LOCALE, { type: 'ordinal' }).select(n)]}`;
}
