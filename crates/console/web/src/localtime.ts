/** The parts of a local time, for axes. Times in words are in time.ts. */

import type { Instant } from './time';

const clocks = new Map<string, Intl.DateTimeFormat>();

// The server's time zone database may know a zone that the browser's does not.
function formatter(zone: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = zone + JSON.stringify(options);
  let found = clocks.get(key);
  if (!found) {
    try {
      found = new Intl.DateTimeFormat('en-GB', { ...options, timeZone: zone });
    } catch {
      found = new Intl.DateTimeFormat('en-GB', { ...options, timeZone: 'UTC' });
    }
    clocks.set(key, found);
  }
  return found;
}

/** The hour, 0 to 23, and the minute of an instant in a zone. */
export function hourAndMinute(at: Instant, zone: string): [hour: number, minute: number] {
  const text = formatter(zone, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }).format(new Date(at));
  const [hour = 0, minute = 0] = text.split(':').map(Number);
  return [hour, minute];
}

/** *Fri*, or *Friday* */
export function weekday(at: Instant, zone: string, style: 'short' | 'long' = 'short'): string {
  return formatter(zone, { weekday: style }).format(new Date(at));
}

/** *Friday 27 November* */
export function longDay(at: Instant, zone: string): string {
  return formatter(zone, { weekday: 'long', day: 'numeric', month: 'long' }).format(new Date(at));
}
