/** Instants in a zone, and the server's clock. Every function names its zone; none uses the browser's by accident. */

import { useSyncExternalStore } from 'react';
import { wholeDuration } from './format';
import { prefs, usePrefs } from './prefs';

const LOCALE = 'en-GB';
const DAY_MS = 86_400_000;

export type Instant = string | number | Date;

/** The zone of the browser. */
export const BROWSER_ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';

/** The zone that the viewer reads times in: the browser's, UTC, or a chosen one. */
export function viewerZone(): string {
  const { zone } = prefs();
  return zone === 'local' ? BROWSER_ZONE : zone;
}

export function useViewerZone(): string {
  const { zone } = usePrefs();
  return zone === 'local' ? BROWSER_ZONE : zone;
}

// The server's clock ------------------------------------------------------------------------------

let offsetMs = 0;
const ROUND_TRIP_TRUSTED_MS = 2_000;

/** Learns the offset from a `Date` header, which has whole seconds: a change below two seconds is noise. */
export function learnClock(dateHeader: string | null, sentAt: number, receivedAt: number): void {
  if (!dateHeader || receivedAt - sentAt > ROUND_TRIP_TRUSTED_MS) return;
  const server = Date.parse(dateHeader);
  if (Number.isNaN(server)) return;
  const seen = server + 500 - (sentAt + receivedAt) / 2;
  if (Math.abs(seen - offsetMs) >= 2_000) offsetMs = Math.abs(seen) < 2_000 ? 0 : Math.round(seen);
}

/** How far the server's clock is ahead of the browser's, in milliseconds. */
export function clockOffset(): number {
  return offsetMs;
}

/** Now, by the server's clock. */
export function now(): number {
  return Date.now() + offsetMs;
}

// A ticker that all countdowns share --------------------------------------------------------------

const listeners = new Set<() => void>();
let timer: ReturnType<typeof setTimeout> | undefined;
let tick = 0;

function schedule(): void {
  timer = setTimeout(
    () => {
      tick = now();
      for (const listener of listeners) listener();
      schedule();
    },
    1000 - (now() % 1000) + 5,
  );
}

function onTick(listener: () => void): () => void {
  listeners.add(listener);
  if (listeners.size === 1) {
    tick = now();
    schedule();
  }
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) clearTimeout(timer);
  };
}

/** Now by the server's clock, once a second; all that use it are drawn together. */
export function useNow(): number {
  return useSyncExternalStore(onTick, () => Math.floor((tick || now()) / 1000) * 1000);
}

// Words -------------------------------------------------------------------------------------------

const formatters = new Map<string, Intl.DateTimeFormat>();

function formatter(zone: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = zone + JSON.stringify(options);
  let found = formatters.get(key);
  if (!found) {
    found = make(zone, options);
    formatters.set(key, found);
  }
  return found;
}

// The server's time zone database may know a zone that the browser's does not.
function make(zone: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  try {
    return new Intl.DateTimeFormat(LOCALE, { ...options, timeZone: zone });
  } catch {
    return new Intl.DateTimeFormat(LOCALE, { ...options, timeZone: 'UTC' });
  }
}

function clockOptions(withSeconds: boolean): Intl.DateTimeFormatOptions {
  const options: Intl.DateTimeFormatOptions = prefs().hour12
    ? { hour: 'numeric', minute: '2-digit', hour12: true }
    : { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' };
  return withSeconds ? { ...options, second: '2-digit' } : options;
}

/** 14:32:07, or 14:32 without seconds. */
export function timeOfDay(at: Instant, zone: string, withSeconds = true): string {
  return formatter(zone, clockOptions(withSeconds)).format(new Date(at));
}

/** The milliseconds of an instant, as `.000`. */
export function millisOf(at: Instant): string {
  return `.${String(new Date(at).getTime() % 1000).padStart(3, '0')}`;
}

/** 2026-11-26 in the zone, to compare days. */
export function dayOf(at: Instant, zone: string): string {
  const parts = formatter(zone, { year: 'numeric', month: '2-digit', day: '2-digit' }).formatToParts(
    new Date(at),
  );
  const of = (type: string) => parts.find((part) => part.type === type)?.value ?? '';
  return `${of('year')}-${of('month')}-${of('day')}`;
}

/** 26 Nov, with the year where it is not this one. */
export function date(at: Instant, zone: string, reference: number = now()): string {
  const sameYear = dayOf(at, zone).slice(0, 4) === dayOf(reference, zone).slice(0, 4);
  return formatter(zone, { day: 'numeric', month: 'short', ...(sameYear ? {} : { year: 'numeric' }) }).format(
    new Date(at),
  );
}

/** As lists say it: 14:30 today, Fri 02:30 within six days, 31 Oct 02:30 in this year, 28 Nov 2027 otherwise. */
export function when(
  at: Instant,
  zone: string,
  options: { seconds?: boolean; reference?: number } = {},
): string {
  const instant = new Date(at).getTime();
  const reference = options.reference ?? now();
  const time = timeOfDay(instant, zone, options.seconds ?? false);
  if (dayOf(instant, zone) === dayOf(reference, zone)) return time;
  if (Math.abs(instant - reference) < 6 * DAY_MS) {
    return `${formatter(zone, { weekday: 'short' }).format(instant)} ${time}`;
  }
  return `${date(instant, zone, reference)} ${time}`;
}

/** Today 14:45, Tomorrow 02:30, otherwise as `when`. */
export function dayAndTime(at: Instant, zone: string, reference: number = now()): string {
  const day = dayOf(at, zone);
  const time = timeOfDay(at, zone, false);
  if (day === dayOf(reference, zone)) return `Today ${time}`;
  if (day === dayOf(reference + DAY_MS, zone)) return `Tomorrow ${time}`;
  if (day === dayOf(reference - DAY_MS, zone)) return `Yesterday ${time}`;
  return when(at, zone, { reference });
}

/** UTC+01:00 */
export function offsetOf(at: Instant, zone: string): string {
  const part = formatter(zone, { timeZoneName: 'longOffset' })
    .formatToParts(new Date(at))
    .find((it) => it.type === 'timeZoneName')?.value;
  return part === undefined || part === 'GMT' ? 'UTC+00:00' : part.replace('GMT', 'UTC');
}

/** Thu, 26 November 2026, 14:32:07.000, UTC+01:00 (Europe/Berlin) */
export function fullTime(at: Instant, zone: string): string {
  const day = formatter(zone, { weekday: 'short', day: 'numeric', month: 'long', year: 'numeric' }).format(
    new Date(at),
  );
  return `${day}, ${timeOfDay(at, zone)}${millisOf(at)}, ${offsetOf(at, zone)} (${zone})`;
}

/** Berlin for Europe/Berlin, New York for America/New_York. */
export function zoneName(zone: string): string {
  return (zone.split('/').pop() ?? zone).replaceAll('_', ' ');
}

/** in 2 min 53 s, 3 h 2 min ago, now */
export function relative(at: Instant, reference: number): string {
  const ms = new Date(at).getTime() - reference;
  if (Math.abs(ms) < 1000) return 'now';
  return ms > 0 ? `in ${wholeDuration(ms)}` : `${wholeDuration(-ms)} ago`;
}

/** The value of `<time datetime>`. */
export function iso(at: Instant): string {
  return new Date(at).toISOString();
}

/** 2026-11-26T05:30 in the zone: the value of a field of the type datetime-local. */
export function localOf(at: Instant, zone: string): string {
  const options: Intl.DateTimeFormatOptions = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' };
  return `${dayOf(at, zone)}T${formatter(zone, options).format(new Date(at))}`;
}

/**
 * The instant of a local time in a zone: of one that comes twice, the first; one that is skipped counts by the offset
 * before it. Null if it is no time. For a question to the server only: schedules are the server's business.
 */
export function instantOf(local: string, zone: string): string | null {
  const asUtc = Date.parse(`${local}Z`);
  if (Number.isNaN(asUtc)) return null;
  const offsetAt = (ms: number): number => {
    const [, sign, hours, minutes] = /UTC([+-])(\d\d):(\d\d)/.exec(offsetOf(ms, zone)) ?? [];
    const value = (Number(hours) * 60 + Number(minutes)) * 60_000;
    return sign === '-' ? -value : value;
  };
  const candidates = [asUtc - DAY_MS, asUtc + DAY_MS].map((near) => asUtc - offsetAt(near));
  const exact = candidates.filter((it) => it + offsetAt(it) === asUtc);
  const chosen = exact.length > 0 ? Math.min(...exact) : candidates[0];
  return new Date(chosen as number).toISOString();
}
