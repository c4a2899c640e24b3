import { afterEach, describe, expect, it } from 'vitest';
import { setPrefs } from '../src/prefs';
import {
  clockOffset,
  date,
  dayAndTime,
  fullTime,
  learnClock,
  offsetOf,
  relative,
  timeOfDay,
  when,
  zoneName,
} from '../src/time';

const REFERENCE = Date.parse('2026-11-26T13:32:07Z');
const BERLIN = 'Europe/Berlin';

afterEach(() => setPrefs({ hour12: false }));

describe('an instant in a list', () => {
  it.each([
    ['2026-11-26T13:30:00Z', '14:30'],
    ['2026-11-26T23:30:00Z', 'Fri 00:30'],
    ['2026-11-21T14:00:00Z', 'Sat 15:00'],
    ['2026-10-31T22:00:00Z', '31 Oct 23:00'],
    ['2027-03-28T01:00:00Z', '28 Mar 2027 03:00'],
  ])('%s is %s', (at, text) => {
    expect(when(at, BERLIN, { reference: REFERENCE })).toBe(text);
  });

  it('is today in the zone, not in that of the browser', () => {
    expect(when('2026-11-26T23:30:00Z', 'UTC', { reference: REFERENCE })).toBe('23:30');
    expect(when('2026-11-26T13:30:00Z', 'Pacific/Auckland', { reference: REFERENCE })).toBe('02:30');
  });

  it('has seconds and a 12-hour clock where they are asked for', () => {
    expect(timeOfDay('2026-11-26T13:30:05Z', BERLIN)).toBe('14:30:05');
    expect(timeOfDay('2026-11-26T23:00:00Z', BERLIN, false)).toBe('00:00');
    setPrefs({ hour12: true });
    expect(timeOfDay('2026-11-26T13:30:05Z', BERLIN, false)).toBe('2:30 pm');
  });

  it('names today, tomorrow and yesterday', () => {
    const said = (at: string) => dayAndTime(at, BERLIN, REFERENCE);
    expect(said('2026-11-26T13:45:00Z')).toBe('Today 14:45');
    expect(said('2026-11-27T01:30:00Z')).toBe('Tomorrow 02:30');
    expect(said('2026-11-25T01:30:00Z')).toBe('Yesterday 02:30');
    expect(date('2026-11-30T00:00:00Z', BERLIN, REFERENCE)).toBe('30 Nov');
  });
});

describe('a full time', () => {
  it('has the offset of its instant, on both sides of a clock change', () => {
    expect(offsetOf('2026-10-25T00:30:00Z', BERLIN)).toBe('UTC+02:00');
    expect(offsetOf('2026-10-25T01:30:00Z', BERLIN)).toBe('UTC+01:00');
    expect(offsetOf('2026-10-25T01:30:00Z', 'UTC')).toBe('UTC+00:00');
    expect(offsetOf('2026-10-25T01:30:00Z', 'Asia/Kathmandu')).toBe('UTC+05:45');
    expect(fullTime('2026-11-26T13:32:07.042Z', BERLIN)).toBe(
      'Thu, 26 November 2026, 14:32:07.042, UTC+01:00 (Europe/Berlin)',
    );
  });

  it('is in UTC if the browser does not know the zone', () => {
    expect(timeOfDay('2026-11-26T13:32:07Z', 'Mars/Olympus')).toBe('13:32:07');
  });
});

it('counts down and up', () => {
  const from = (ms: number) => relative(REFERENCE + ms, REFERENCE);
  expect([173_000, 500, -500, -7_260_000].map(from)).toEqual([
    'in 2 min 53 s',
    'now',
    'now',
    '2 h 1 min ago',
  ]);
});

it('names zones by their city', () => {
  expect(['America/New_York', 'UTC', 'America/Argentina/Buenos_Aires'].map(zoneName)).toEqual([
    'New York',
    'UTC',
    'Buenos Aires',
  ]);
});

describe('the clock of the server', () => {
  it('is learned from whole seconds, and small differences are noise', () => {
    const at = Date.parse('2026-11-26T13:32:07.400Z');
    learnClock('Thu, 26 Nov 2026 13:32:07 GMT', at, at + 20);
    expect(clockOffset()).toBe(0);
    learnClock('Thu, 26 Nov 2026 13:33:07 GMT', at, at + 200);
    expect(clockOffset()).toBe(60_000);
    learnClock('Thu, 26 Nov 2026 13:33:08 GMT', at + 100, at + 200);
    expect(clockOffset()).toBe(60_000);
    learnClock('Thu, 26 Nov 2026 13:40:00 GMT', at, at + 60_000);
    expect(clockOffset(), 'a slow response says nothing').toBe(60_000);
    learnClock(null, at, at);
    learnClock('soon', at, at);
    expect(clockOffset()).toBe(60_000);
    learnClock('Thu, 26 Nov 2026 13:32:07 GMT', at, at + 20);
    expect(clockOffset()).toBe(0);
  });
});
