import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { allBuckets, ofStatuses } from '../src/screens/runs/buckets';
import {
  bucketSeconds,
  histogramWindow,
  instantOf,
  isMark,
  markMinutes,
  readPeriod,
  wallTime,
} from '../src/screens/runs/period';

const NOW = Date.parse('2026-11-26T13:00:00Z');
const HOUR = 3_600_000;

describe('periods', () => {
  it.each([
    ['30m', NOW - HOUR / 2],
    ['24h', NOW - 24 * HOUR],
    ['7d', NOW - 168 * HOUR],
    ['2026-11-26T12:00:00+01:00', Date.parse('2026-11-26T11:00:00Z')],
  ])('%s', (text, at) => expect(readPeriod(text, NOW)).toBe(at));

  it.each(['', '7', '7w', 'yesterday', '2026-11-26', '2026-13-26T12:00:00Z'])('%s is none', (text) =>
    expect(readPeriod(text, NOW)).toBeNull(),
  );
});

describe('wall times', () => {
  it('follow the zone', () => {
    expect(instantOf('2026-07-01T12:00', 'Europe/Berlin')).toBe(Date.parse('2026-07-01T10:00:00Z'));
    expect(instantOf('2026-11-26T12:00', 'Europe/Berlin')).toBe(Date.parse('2026-11-26T11:00:00Z'));
    expect(instantOf('2026-11-26', 'America/New_York')).toBe(Date.parse('2026-11-26T05:00:00Z'));
  });

  it('in the gap of a clock change are near it', () => {
    const at = instantOf('2026-03-29T02:30', 'Europe/Berlin') as number;
    expect(Math.abs(at - Date.parse('2026-03-29T01:00:00Z'))).toBeLessThanOrEqual(HOUR);
  });

  it('are what they were read from', () => {
    const zone = fc.constantFrom('UTC', 'Asia/Kathmandu', 'America/St_Johns', 'Australia/Lord_Howe');
    // Days without a clock change in these zones.
    const second = fc.integer({ min: Date.parse('2026-06-01') / 1000, max: Date.parse('2026-08-31') / 1000 });
    fc.assert(
      fc.property(zone, second, (name, seconds) => {
        expect(instantOf(wallTime(seconds * 1000, name), name)).toBe(seconds * 1000);
      }),
    );
  });

  it('other texts are none', () => {
    for (const text of ['', '14:00', '26.11.2026', '2026-11-26T25:00'])
      expect(instantOf(text, 'UTC')).toBeNull();
  });
});

describe('the histogram', () => {
  it('shows the last day where no window is chosen', () => {
    expect(histogramWindow(null, null, NOW)).toEqual({ from: NOW - 24 * HOUR, to: NOW });
  });

  it('never ends before it begins', () => {
    const { from, to } = histogramWindow(NOW - HOUR, NOW - 2 * HOUR, NOW);
    expect(to).toBeGreaterThan(from);
  });

  it('has at most 120 buckets, of whole minutes that divide a day', () => {
    const what = fc.constantFrom('workspace' as const, 'job' as const, 'other' as const);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 45 * 24 * 60 }), what, (minutes, kind) => {
        const step = bucketSeconds({ from: NOW - minutes * 60_000, to: NOW }, NOW, kind);
        expect((minutes * 60) / step).toBeLessThanOrEqual(120);
        expect(86_400 % step).toBe(0);
        expect(step % 60).toBe(0);
      }),
    );
  });

  it('has hours where finer buckets are not kept', () => {
    const day = { from: NOW - 24 * HOUR, to: NOW };
    expect(bucketSeconds(day, NOW, 'workspace')).toBe(900);
    expect(bucketSeconds(day, NOW, 'other')).toBe(3600);
    const lastWeek = { from: NOW - 168 * HOUR, to: NOW - 160 * HOUR };
    expect(bucketSeconds(lastWeek, NOW, 'workspace')).toBe(3600);
    expect(bucketSeconds(lastWeek, NOW, 'job')).toBe(300);
  });

  it('marks round times of the zone', () => {
    expect(markMinutes(50 * 60_000)).toBe(60);
    expect(isMark(Date.parse('2026-11-26T18:15:00Z'), 'Asia/Kathmandu', 360)).toBe(true);
    expect(isMark(Date.parse('2026-11-26T18:00:00Z'), 'Asia/Kathmandu', 360)).toBe(false);
  });

  it('fills the buckets in which no run was due', () => {
    const buckets = allBuckets({
      from: '2026-11-26T12:00:00Z',
      to: '2026-11-26T13:00:00Z',
      step_seconds: 900,
      buckets: [{ at: '2026-11-26T12:30:00Z', succeeded: 3, failed: 1, skipped: 0 }],
    });
    expect(buckets.map((it) => it.succeeded)).toEqual([0, 0, 3, 0]);
    expect(ofStatuses(buckets, ['failed'])?.map((it) => it.succeeded + it.failed)).toEqual([0, 0, 1, 0]);
    expect(ofStatuses(buckets, ['running'])).toBeNull();
  });
});
