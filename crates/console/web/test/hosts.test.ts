import { describe, expect, it } from 'vitest';
import type { Host } from '../src/api/queries/hosts';
import { kindOf } from '../src/screens/go/resolve';
import { hourBuckets, nowPlace, windows } from '../src/screens/host/timeline';
import { readSort, sorted } from '../src/screens/hosts/sorting';

const host = (name: string, over: Partial<Host> = {}): Host =>
  ({ host: name, jobs: 1, active: 1, failing: 0, next_hour: 0, ...over }) as Host;

describe('hosts', () => {
  const all = [
    host('b.example.com', { jobs: 9 }),
    host('a.example.com', { failing: 2 }),
    host('c.example.net', { next_hour: 7 }),
  ];
  const names = (list: readonly Host[]) => list.map((it) => it.host[0]).join('');

  it('are in the order that is asked for', () => {
    expect(names(sorted(all, 'attention', ''))).toBe('abc');
    expect(names(sorted(all, 'jobs', ''))).toBe('bac');
    expect(names(sorted(all, 'nextHour', ''))).toBe('cab');
    expect(names(sorted(all, readSort('moon'), 'COM'))).toBe('ab');
  });
});

describe('the timeline of a host', () => {
  const now = Date.parse('2026-11-26T13:20:00Z');

  it('has an hour a bucket, what ran before now and what is to come after it', () => {
    const { past, coming } = windows(now);
    const buckets = hourBuckets(
      now,
      'UTC',
      [{ at: '2026-11-26T13:00:00Z', succeeded: 4, failed: 1, skipped: 0 }],
      [
        { at: '2026-11-26T13:20:00Z', fires: 5 },
        { at: '2026-11-26T14:00:00Z', fires: 6 },
      ],
    );
    expect(buckets[0]?.at).toBe(past.from);
    const here = buckets[Math.floor(nowPlace(now))];
    expect(here).toMatchObject({ at: '2026-11-26T13:00:00.000Z', succeeded: 4, failed: 1, planned: 5 });
    expect(buckets[Math.floor(nowPlace(now)) + 1]?.planned).toBe(6);
    expect(Date.parse(buckets.at(-1)?.at ?? '') + 3_600_000).toBe(Date.parse(coming.to));
  });
});

describe('typed ids', () => {
  it.each([
    ['job_01m8p9hve6ez78k14c35bfewt8', 'job'],
    ['exe_01m8p9m070h01b8e2c1cgmnj4n', 'exe'],
    ['ws_01m8p9gs7vft79swcydnd07qy7', 'ws'],
    ['ntf_01m8p9gs7vft79swcydnd07qy7', 'ntf'],
  ])('%s', (id, prefix) => expect(kindOf(id)?.prefix).toBe(prefix));

  it.each([
    '',
    'job_1',
    'req_b09cf648483b436c8b4a255ef635cad0',
    '<script>',
    'job-01m8p9hve6ez78k14c35bfewt8',
  ])('%s has no page', (id) => expect(kindOf(id)).toBeUndefined());
});
