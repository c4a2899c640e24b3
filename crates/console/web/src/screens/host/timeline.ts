/** What ran and what is to come on one axis. Pure. */

import type { TimelineBucket } from '../../charts/Timeline';
import { timeOfDay, when } from '../../time';
import { words } from '../../words/en/host';

const HOUR_MS = 3_600_000;
const PAST_HOURS = 48;
const COMING_HOURS = 12;
const MARK_EVERY_HOURS = 6;

/** The windows that are read: whole hours, so that both have the same buckets. */
export function windows(now: number): {
  past: { from: string; to: string };
  coming: { from: string; to: string };
} {
  const hour = Math.floor(now / HOUR_MS) * HOUR_MS;
  const iso = (ms: number) => new Date(ms).toISOString();
  return {
    past: { from: iso(hour - (PAST_HOURS - 1) * HOUR_MS), to: iso(hour + HOUR_MS) },
    // What is left of this hour is to come.
    coming: { from: iso(Math.floor(now / 60_000) * 60_000), to: iso(hour + COMING_HOURS * HOUR_MS) },
  };
}

interface Past {
  at: string;
  succeeded: number;
  failed: number;
  skipped: number;
}

/** All hours of both windows. Forecast buckets may begin at hours of the zone: each counts where it begins. */
export function hourBuckets(
  now: number,
  zone: string,
  past: readonly Past[],
  coming: readonly { at: string; fires: number }[],
): TimelineBucket[] {
  const first = Date.parse(windows(now).past.from);
  const place = (at: string) => Math.floor((Date.parse(at) - first) / HOUR_MS);
  const ran = new Map(past.map((it) => [place(it.at), it]));
  const planned = new Map<number, number>();
  for (const it of coming) planned.set(place(it.at), (planned.get(place(it.at)) ?? 0) + it.fires);
  return Array.from({ length: PAST_HOURS - 1 + COMING_HOURS }, (_, index) => {
    const at = first + index * HOUR_MS;
    const { succeeded = 0, failed = 0, skipped = 0 } = ran.get(index) ?? {};
    const hour = Number(
      new Date(at).toLocaleTimeString('en-GB', { timeZone: zone, hourCycle: 'h23' }).slice(0, 2),
    );
    return {
      at: new Date(at).toISOString(),
      window: words.window(when(at, zone), timeOfDay(at + HOUR_MS, zone, false)),
      ...(hour % MARK_EVERY_HOURS === 0 && { mark: when(at, zone) }),
      succeeded,
      failed,
      skipped,
      planned: planned.get(index) ?? 0,
    };
  });
}

/** Where now is, in buckets from the first. */
export function nowPlace(now: number): number {
  return (now - Date.parse(windows(now).past.from)) / HOUR_MS;
}
