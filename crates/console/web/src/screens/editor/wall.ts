/** Wall times that the server computed, such as 2026-12-01T02:30:00+01:00: drawn as they are, by no rule of the browser. */

import { timeOfDay } from '../../time';

const DAYS = new Intl.DateTimeFormat('en-GB', {
  weekday: 'short',
  day: 'numeric',
  month: 'short',
  timeZone: 'UTC',
});
const LONG_DAYS = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric',
  month: 'long',
  year: 'numeric',
  timeZone: 'UTC',
});

function asUtc(local: string): Date {
  return new Date(`${local.slice(0, 19)}Z`);
}

/** Fri 27 Nov */
export function wallDay(local: string): string {
  return DAYS.format(asUtc(local)).replace(',', '');
}

/** 02:30, with seconds where it has some. */
export function wallClock(local: string): string {
  return timeOfDay(asUtc(local), 'UTC', local.slice(17, 19) !== '00');
}

/** The minute of the hour. */
export function wallMinute(local: string): number {
  return Number(local.slice(14, 16));
}

/** 28 March 2027 */
export function longDay(date: string): string {
  return LONG_DAYS.format(new Date(`${date}T00:00:00Z`));
}

/** +05:45 in minutes. */
export function offsetMinutes(offset: string): number {
  const [, sign, hours, minutes] = /([+-])(\d\d):(\d\d)/.exec(offset) ?? [];
  return (sign === '-' ? -1 : 1) * (Number(hours ?? 0) * 60 + Number(minutes ?? 0));
}
