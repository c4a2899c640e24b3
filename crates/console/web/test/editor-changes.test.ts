import { describe, expect, it } from 'vitest';
import { changesOf, merge, patchOf } from '../src/screens/editor/changes';
import { DEFAULTS, type Definition } from '../src/screens/editor/definition';

const base: Definition = {
  ...DEFAULTS,
  name: 'Close books',
  schedule: { cron: '0 2 * * *', timezone: 'Europe/Berlin' },
  request: {
    ...DEFAULTS.request,
    url: 'https://api.example.com/close',
    headers: { 'X-A': '1', 'a/b~c': '2' },
    body: { day: 'today' },
  },
};

const withRequest = (change: Partial<Definition['request']>, of = base): Definition => ({
  ...of,
  request: { ...of.request, ...change },
});

describe('a patch', () => {
  it('is null where nothing changed', () => {
    expect(patchOf(base, structuredClone(base))).toBeNull();
  });

  it('has the fields that changed, and no others', () => {
    const after = withRequest(
      { timeout_seconds: 60 },
      { ...base, schedule: { cron: '30 2 * * *', timezone: 'Europe/Berlin' } },
    );
    expect(patchOf(base, after)).toEqual({
      schedule: { cron: '30 2 * * *' },
      request: { timeout_seconds: 60 },
    });
  });

  it('takes a header and a body away by null, and replaces a body as a whole', () => {
    expect(patchOf(base, withRequest({ headers: { 'X-A': '1' } }))).toEqual({
      request: { headers: { 'a/b~c': null } },
    });
    const { body: _, ...request } = base.request;
    expect(patchOf(base, { ...base, request })).toEqual({ request: { body: null } });
    expect(patchOf(base, withRequest({ body: { other: 1 } }))).toEqual({ request: { body: { other: 1 } } });
  });

  it('takes the fields of the old kind away', () => {
    expect(patchOf(base, { ...base, kind: 'recurring', schedule: { every_n_minutes: 5 } })).toEqual({
      kind: 'recurring',
      schedule: { cron: null, timezone: null, every_n_minutes: 5 },
    });
    expect(patchOf(base, { ...base, kind: 'one_time', schedule: null })).toEqual({
      kind: 'one_time',
      schedule: null,
    });
  });

  it('resets a limit by null, and replaces lists as a whole', () => {
    const limited = { ...base, concurrency_limit: 1, tags: ['a', 'b'] };
    expect(patchOf(limited, { ...base, tags: ['b'] })).toEqual({ concurrency_limit: null, tags: ['b'] });
  });
});

describe('changes in words', () => {
  it('name the field as it is spelled', () => {
    expect(changesOf(base, withRequest({ headers: { 'X-A': '2' }, success_statuses: [200, '3xx'] }))).toEqual(
      [
        { field: 'request.headers.X-A', before: '1', after: '2' },
        { field: 'request.headers.a/b~c', before: '2', after: undefined },
        { field: 'request.success_statuses', before: '200, 201, 202, 204', after: '200, 3xx' },
      ],
    );
  });
});

describe('a merge', () => {
  it('takes what only they changed, and keeps what only I changed', () => {
    const mine = { ...base, name: 'Mine' };
    const theirs = withRequest({ timeout_seconds: 90, headers: { 'X-A': '1', 'X-New': '3' } });
    const { merged, conflicts } = merge(base, mine, theirs);
    expect(conflicts).toEqual([]);
    expect(merged).toEqual({ ...theirs, name: 'Mine' });
  });

  it('has a conflict where both changed a field, and not to the same', () => {
    const mine = { ...base, name: 'Mine', delivery: 'at_most_once' };
    const theirs = { ...base, name: 'Theirs', delivery: 'at_most_once' };
    const { merged, conflicts } = merge(base, mine, theirs);
    expect(conflicts).toEqual(['/name']);
    expect(merged.name).toBe('Mine');
  });

  it('never mixes two schedules', () => {
    const mine = { ...base, schedule: { cron: '30 2 * * *', timezone: 'Europe/Berlin' } };
    const theirs = { ...base, kind: 'recurring', schedule: { every_n_minutes: 5 } };
    const { merged, conflicts } = merge(base, mine, theirs);
    expect(merged.schedule).toEqual(mine.schedule);
    expect(merged.kind).toBe('cron');
    expect(conflicts).toContain('/kind');
    expect(conflicts).toContain('/schedule/every_n_minutes');
    const zone = { ...base, schedule: { cron: '0 2 * * *', timezone: 'UTC' } };
    expect(merge(base, mine, zone).merged.schedule).toEqual(mine.schedule);
    expect(merge(base, mine, zone).conflicts).toEqual(['/schedule/cron', '/schedule/timezone']);
  });

  it('takes their schedule whole where I left it alone', () => {
    const theirs = { ...base, kind: 'recurring', schedule: { every_n_minutes: 5 } };
    const { merged, conflicts } = merge(base, { ...base, name: 'Mine' }, theirs);
    expect(conflicts).toEqual([]);
    expect(merged).toEqual({ ...theirs, name: 'Mine' });
  });

  it('knows that both removed the same', () => {
    const without = withRequest({ headers: {} });
    expect(merge(base, without, without).conflicts).toEqual([]);
    expect(merge(base, without, without).merged).toEqual(without);
  });
});
