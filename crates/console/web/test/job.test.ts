import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { differences, fieldName, mergePatch } from '../src/screens/job/diff';
import { fold, isFolded } from '../src/screens/job/fold';
import { instantOf, localOf } from '../src/time';

const run = (id: number, status: string, code: number | null = null, attempts = 1) => ({
  id: `exe_${id}`,
  status,
  status_code: code,
  error_class: code === null && status === 'failed' ? 'connect_refused' : null,
  attempt_count: attempts,
});

describe('equal results in a row', () => {
  it('are folded after three', () => {
    const runs = [
      ...Array.from({ length: 13 }, (_, at) => run(at, 'failed', 504, 3)),
      run(13, 'succeeded', 200),
      run(14, 'succeeded', 200, 2),
      run(15, 'succeeded', 200),
    ];
    const folded = fold(runs);
    expect(folded.map((it) => (isFolded(it) ? it.runs.length : it.id))).toEqual([
      'exe_0',
      'exe_1',
      'exe_2',
      10,
      'exe_13',
      'exe_14',
      'exe_15',
    ]);
  });

  it('are not folded for one, and another cause begins anew', () => {
    const four = Array.from({ length: 4 }, (_, at) => run(at, 'failed', 504));
    expect(fold(four)).toEqual(four);
    const mixed = [...four.slice(0, 3), run(3, 'failed'), run(4, 'failed'), run(5, 'failed', 504)];
    expect(fold(mixed)).toEqual(mixed);
    expect(fold([])).toEqual([]);
  });

  it('lose no run and keep the order', () => {
    const any = fc.record({
      id: fc.uuid(),
      status: fc.constantFrom('succeeded', 'failed', 'skipped'),
      status_code: fc.constantFrom(null, 200, 504),
      error_class: fc.constantFrom(null, 'http_5xx'),
      attempt_count: fc.integer({ min: 1, max: 2 }),
    });
    fc.assert(
      fc.property(fc.array(any), (runs) => {
        expect(fold(runs).flatMap((it) => (isFolded(it) ? it.runs : [it]))).toEqual(runs);
      }),
    );
  });
});

/** RFC 7396, §2. */
function applied(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const result: Record<string, unknown> =
    typeof target === 'object' && target !== null && !Array.isArray(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = applied(result[key], value);
  }
  return result;
}

const value = fc.letrec((tie) => ({
  any: fc.oneof(
    { maxDepth: 3 },
    fc.string(),
    fc.integer(),
    fc.boolean(),
    fc.array(fc.integer()),
    tie('object'),
  ),
  object: fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd'), tie('any'), { noNullPrototype: true }),
}));
const object = value.object as fc.Arbitrary<Record<string, unknown>>;

describe('two definitions', () => {
  it('differ in the fields that differ', () => {
    const before = { name: 'a', request: { url: 'x', headers: { A: '1', B: '2' } }, tags: ['t'], body: null };
    const after = { name: 'a', request: { url: 'y', headers: { A: '1' } }, tags: ['t', 'u'], body: { n: 1 } };
    expect(differences(before, after)).toEqual([
      { field: 'request.url', before: 'x', after: 'y' },
      { field: 'request.headers.B', before: '2', after: undefined },
      { field: 'tags', before: '["t"]', after: '["t","u"]' },
      { field: 'body', before: undefined, after: '{"n":1}' },
    ]);
    expect(differences(before, structuredClone(before))).toEqual([]);
    expect(fieldName('/request/headers/a~1b~0c')).toBe('request.headers.a/b~c');
  });

  it('become one by the merge patch', () => {
    fc.assert(
      fc.property(object, object, (from, to) => {
        expect(applied(from, mergePatch(from, to))).toEqual(to);
      }),
    );
    expect(mergePatch({ a: 1, b: null }, { a: 1 })).toEqual({});
  });
});

describe('a local time', () => {
  it.each([
    ['2026-11-26T05:30', 'Europe/Berlin', '2026-11-26T04:30:00.000Z'],
    ['2026-07-01T05:30:15', 'America/New_York', '2026-07-01T09:30:15.000Z'],
    ['2026-07-01T05:30', 'Asia/Kathmandu', '2026-06-30T23:45:00.000Z'],
    ['2026-10-25T02:30', 'Europe/Berlin', '2026-10-25T00:30:00.000Z'],
    ['2026-03-29T02:30', 'Europe/Berlin', '2026-03-29T01:30:00.000Z'],
  ])('%s in %s is %s', (local, zone, instant) => {
    expect(instantOf(local, zone)).toBe(instant);
  });

  it('is null if it is not one', () => {
    expect(instantOf('', 'UTC')).toBeNull();
    expect(instantOf('soon', 'UTC')).toBeNull();
  });

  it('is the way back', () => {
    expect(localOf('2026-11-26T04:30:59Z', 'Europe/Berlin')).toBe('2026-11-26T05:30');
  });
});
