import type { ForecastBucket } from '../../api/queries/forecast';
import type { StatsBucket } from '../../api/queries/stats';
import type { TimelineBucket } from '../../charts/Timeline';
import { hourAndMinute } from '../../localtime';
import { date, dayOf, timeOfDay } from '../../time';
import { words } from '../../words/en/overview';
import type { Period } from './periods';

interface Drawn {
  buckets: TimelineBucket[];
  /** Where now is, in buckets. */
  now: number;
}

const DAY = 86_400;
// The distance of marks on the axis, in seconds: one of these that leaves room for its words.
const MARKS = [300, 600, 900, 1800, 3600, 3 * 3600, 6 * 3600, DAY, 2 * DAY, 5 * DAY];
const MARKS_MAX = 9;

/** Puts what ran and what is to come into one row of buckets. */
export function timeline(
  period: Period,
  nowMs: number,
  zone: string,
  stats: readonly StatsBucket[],
  forecast: readonly ForecastBucket[],
): Drawn {
  const stepMs = period.step * 1000;
  const current = Math.floor(nowMs / stepMs) * stepMs;
  const first = current - period.before * stepMs;
  const total = period.before + period.after;
  const buckets = Array.from({ length: total }, (_, index): TimelineBucket => {
    const at = first + index * stepMs;
    return {
      at: new Date(at).toISOString(),
      window: windowWords(at, at + stepMs, zone),
      mark: markWords(at, period, zone),
      succeeded: 0,
      failed: 0,
      skipped: 0,
      planned: 0,
    };
  });
  const find = (at: string) => buckets[Math.floor((Date.parse(at) - first) / stepMs)];
  for (const it of stats) {
    const bucket = find(it.at);
    if (!bucket) continue;
    bucket.succeeded += it.succeeded;
    bucket.failed += it.failed;
    bucket.skipped += it.skipped;
  }
  for (const it of forecast) {
    const bucket = find(it.at);
    if (bucket) bucket.planned += it.fires;
  }
  return { buckets, now: (nowMs - first) / stepMs };
}

/** *14:15 to 14:30*, with the day where it is not clear. */
function windowWords(from: number, to: number, zone: string): string {
  const long = to - from >= 3_600_000;
  const start = long ? `${date(from, zone)} ${timeOfDay(from, zone, false)}` : timeOfDay(from, zone, false);
  return words.window(start, timeOfDay(to, zone, false));
}

/** A word under the axis where a round time begins, in the viewer's zone. */
function markWords(at: number, period: Period, zone: string): string | undefined {
  const span = (period.before + period.after) * period.step;
  const every = MARKS.find((it) => it >= period.step && span / it <= MARKS_MAX) ?? DAY;
  const [hour, minute] = hourAndMinute(at, zone);
  const secondOfDay = hour * 3600 + minute * 60;
  if (every >= DAY) {
    const day = Number(dayOf(at, zone).slice(8)) - 1;
    const firstOfDay = secondOfDay < period.step;
    return firstOfDay && day % Math.round(every / DAY) === 0 ? date(at, zone) : undefined;
  }
  if (secondOfDay % every >= period.step) return undefined;
  const time = timeOfDay(at, zone, false);
  return secondOfDay === 0 ? `${time} ${date(at, zone)}` : time;
}
