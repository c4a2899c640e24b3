import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { heatStep } from '../src/charts/heatStep';
import { barHeight, niceStep } from '../src/charts/scale';
import { extreme, lastSuch, week, weekWindow } from '../src/screens/load/week';
import { periodOf } from '../src/screens/overview/periods';
import { timeline } from '../src/screens/overview/timeline';

test('a bar is in proportion, and never too low to be seen', () => {
  expect(barHeight(50, 100, 104)).toBe(52);
  expect(barHeight(1, 100_000, 104)).toBe(2);
  expect(barHeight(0, 100, 104)).toBe(0);
  expect(barHeight(0, 0, 104)).toBe(0);
});

test('an axis has round marks, and not too many', () => {
  fc.assert(
    fc.property(fc.double({ min: 0.001, max: 1e9, noNaN: true }), (range) => {
      const step = niceStep(range, 6);
      expect(range / step).toBeLessThanOrEqual(8);
      expect(Number(step.toPrecision(3)).toExponential()).toMatch(/^[125]e/);
    }),
  );
});

test('heat has eight steps', () => {
  expect(heatStep(0, 214)).toBe(0);
  expect(heatStep(214, 214)).toBe(7);
  expect(heatStep(113, 214)).toBe(5);
  expect(new Set(Array.from({ length: 215 }, (_, n) => heatStep(n, 214))).size).toBe(8);
});

describe('the timeline', () => {
  const now = Date.parse('2026-11-26T14:32:07Z');
  const period = periodOf('24h', false);

  test('puts what ran and what comes into the bucket of its time', () => {
    const stats = [{ at: '2026-11-26T14:15:00.000Z', succeeded: 599, failed: 13, skipped: 2, retried: 0 }];
    const forecast = [
      { at: '2026-11-26T14:32:00.000Z', fires: 10, peak: null, hosts: [] },
      { at: '2026-11-26T14:45:00.000Z', fires: 20, peak: null, hosts: [] },
    ];
    const drawn = timeline(period, now, 'Europe/Berlin', stats, forecast);
    expect(drawn.buckets).toHaveLength(96);
    expect(drawn.now).toBeCloseTo(72 + 127 / 900 + 0, 5);
    expect(drawn.buckets[71]).toMatchObject({
      window: '15:15 to 15:30',
      succeeded: 599,
      failed: 13,
      skipped: 2,
    });
    expect(drawn.buckets[72]).toMatchObject({ at: '2026-11-26T14:30:00.000Z', planned: 10 });
    expect(drawn.buckets[73]?.planned).toBe(20);
  });

  test('marks round local hours, in zones of half an hour too', () => {
    const marks = (zone: string) =>
      timeline(period, now, zone, [], []).buckets.flatMap((it) => it.mark ?? []);
    expect(marks('Europe/Berlin')).toContain('18:00');
    expect(marks('Europe/Berlin')).toContain('00:00 26 Nov');
    expect(marks('Asia/Kolkata')).toContain('03:00');
    expect(marks('Asia/Kolkata').every((it) => it.includes(':00'))).toBe(true);
  });

  test('ignores what lies outside', () => {
    const stats = [{ at: '2020-01-01T00:00:00.000Z', succeeded: 1, failed: 0, skipped: 0, retried: 0 }];
    const drawn = timeline(period, now, 'UTC', stats, []);
    expect(drawn.buckets.every((it) => it.succeeded === 0)).toBe(true);
  });
});

describe('the week', () => {
  const bucket = (at: string, fires: number) => ({ at, fires, peak: { at, fires }, hosts: [] });

  test('begins with the local hour', () => {
    const now = Date.parse('2026-11-26T14:47:31Z');
    expect(weekWindow(now, 'Europe/Berlin').from).toBe('2026-11-26T14:00:00.000Z');
    expect(weekWindow(now, 'Asia/Kolkata').from).toBe('2026-11-26T14:30:00.000Z');
  });

  test('has a hole in spring and the busier of two hours in autumn', () => {
    const spring = Date.parse('2027-03-28T00:10:00Z');
    const hours = ['2027-03-28T00:00:00.000Z', '2027-03-28T01:00:00.000Z'].map((at) => bucket(at, 5));
    const [today] = week(hours, 'peak', 'Europe/Berlin', spring);
    expect(today?.hours.map((it) => it?.value ?? null).slice(0, 4)).toEqual([null, 5, null, 5]);

    const autumn = Date.parse('2027-10-31T00:10:00Z');
    const twice = [bucket('2027-10-31T00:00:00.000Z', 7), bucket('2027-10-31T01:00:00.000Z', 3)];
    const [day] = week(twice, 'peak', 'Europe/Berlin', autumn);
    expect(day?.hours[2]?.value).toBe(7);
  });

  test('knows its busiest and quietest hours that have not begun', () => {
    const now = Date.parse('2026-11-26T14:10:00Z');
    const hours = [
      bucket('2026-11-26T14:00:00Z', 99),
      bucket('2026-11-26T15:00:00Z', 3),
      bucket('2026-11-26T16:00:00Z', 8),
    ];
    expect(extreme(hours, 'peak', now, 'busiest')?.fires).toBe(8);
    expect(extreme(hours, 'peak', now, 'quietest')?.fires).toBe(3);
    expect(extreme([], 'peak', now, 'busiest')).toBeUndefined();
  });

  test('finds the last time that an hour was wholly past', () => {
    const now = Date.parse('2026-11-26T14:10:00Z');
    expect(lastSuch('2026-11-28T02:00:00.000Z', now).from).toBe('2026-11-26T02:00:00.000Z');
    expect(lastSuch('2026-11-26T14:00:00.000Z', now).from).toBe('2026-11-25T14:00:00.000Z');
    expect(lastSuch('2026-11-26T13:00:00.000Z', now).from).toBe('2026-11-26T13:00:00.000Z');
  });
});
