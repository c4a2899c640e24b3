import type { ForecastBucket } from '../../api/queries/forecast';
import type { HeatCell, HeatDay } from '../../charts/Heat';
import { hourAndMinute, longDay, weekday } from '../../localtime';
import { date, dayOf, timeOfDay } from '../../time';
import { words } from '../../words/en/load';

/** What a cell counts: its busiest minute, or all of its runs. */
export type CountBy = 'peak' | 'sum';

const DAYS = 7;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const MINUTE_MS = 60_000;

/** The window of the radar: from the start of the local hour, so that each bucket is a whole local hour. */
export function weekWindow(nowMs: number, zone: string): { from: string; to: string } {
  const [, minute] = hourAndMinute(nowMs, zone);
  const from = Math.floor(nowMs / MINUTE_MS) * MINUTE_MS - minute * MINUTE_MS;
  return { from: new Date(from).toISOString(), to: new Date(from + DAYS * DAY_MS).toISOString() };
}

/** How many runs an hour counts. */
export function hourValue(bucket: ForecastBucket, by: CountBy): number {
  return by === 'sum' ? bucket.fires : (bucket.peak?.fires ?? 0);
}

/** The rows of the heat map, from today on; an hour that is past, or does not exist in spring, is null. */
export function week(
  buckets: readonly ForecastBucket[],
  by: CountBy,
  zone: string,
  nowMs: number,
): HeatDay[] {
  const days = Array.from({ length: DAYS }, (_, index): HeatDay & { hours: (HeatCell | null)[] } => {
    const at = nowMs + index * DAY_MS;
    const name = index === 0 ? words.today : weekday(at, zone);
    return { id: dayOf(at, zone), name, note: date(at, zone), hours: Array(24).fill(null) };
  });
  const byId = new Map(days.map((day) => [day.id, day]));
  for (const bucket of buckets) {
    const [hour] = hourAndMinute(bucket.at, zone);
    const cells = byId.get(dayOf(bucket.at, zone))?.hours;
    const value = hourValue(bucket, by);
    // The hour that comes twice in autumn is one cell: the busier of the two.
    if (!cells || (cells[hour]?.value ?? -1) >= value) continue;
    cells[hour] = { id: bucket.at, value, label: label(bucket, value, by, zone) };
  }
  return days;
}

function label(bucket: ForecastBucket, value: number, by: CountBy, zone: string): string {
  const when = `${weekday(bucket.at, zone)} ${date(bucket.at, zone)} ${hourWords(bucket.at, zone)}`;
  return by === 'sum' ? words.cellSum(when, value) : words.cellPeak(when, value);
}

/** *02:00 to 02:59* */
export function hourWords(at: string, zone: string): string {
  const start = Date.parse(at);
  return words.range(timeOfDay(start, zone, false), timeOfDay(start + HOUR_MS - MINUTE_MS, zone, false));
}

/** *Friday 27 November, 02:00 to 02:59* */
export function longHour(at: string, zone: string): string {
  return `${longDay(at, zone)}, ${hourWords(at, zone)}`;
}

/** *Sunday 01:00 to 01:59* */
export function shortHour(at: string, zone: string): string {
  return `${weekday(at, zone, 'long')} ${hourWords(at, zone)}`;
}

/** The busiest or the quietest hour that has not begun. */
export function extreme(
  buckets: readonly ForecastBucket[],
  by: CountBy,
  nowMs: number,
  which: 'busiest' | 'quietest',
): ForecastBucket | undefined {
  let found: ForecastBucket | undefined;
  for (const bucket of buckets) {
    if (Date.parse(bucket.at) <= nowMs) continue;
    const more = found ? hourValue(bucket, by) - hourValue(found, by) : 0;
    if (!found || (which === 'busiest' ? more > 0 : more < 0)) found = bucket;
  }
  return found;
}

/** The same hour of the day, the last time that it was wholly past: what its jobs took then. */
export function lastSuch(at: string, nowMs: number): { from: string; to: string } {
  const start = Date.parse(at);
  const days = Math.max(0, Math.ceil((start + HOUR_MS - nowMs) / DAY_MS));
  const from = start - days * DAY_MS;
  return { from: new Date(from).toISOString(), to: new Date(from + HOUR_MS).toISOString() };
}
