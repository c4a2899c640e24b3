import { describe, expect, it } from 'vitest';
import { type Run, type RunPages, updateRuns } from '../src/api/queries/executions';
import { newRuns, withNew } from '../src/api/queries/stream-use';

const run = (id: number, status = 'succeeded') => ({ id: `exe_${id}`, status }) as Run;
const page = (ids: readonly number[], has_more = false) => ({
  data: ids.map((id) => run(id)),
  has_more,
  next_cursor: has_more ? 'next' : null,
});
const pages = (...lists: (readonly number[])[]): RunPages => ({
  pages: lists.map((ids) => page(ids)),
  pageParams: lists.map(() => undefined),
});
const ids = (list: RunPages | undefined) => list?.pages.flatMap((it) => it.data.map((found) => found.id));

describe('the live tail', () => {
  it('knows what is new', () => {
    expect(newRuns(pages([3, 2], [1]), page([5, 4, 3, 2])).map((it) => it.id)).toEqual(['exe_5', 'exe_4']);
    expect(newRuns(pages([3]), undefined)).toEqual([]);
  });

  it('puts it before what was there, once', () => {
    const once = withNew(pages([3, 2], [1]), page([5, 4, 3]));
    expect(ids(once)).toEqual(['exe_5', 'exe_4', 'exe_3', 'exe_2', 'exe_1']);
    expect(withNew(once, page([5, 4, 3]))).toBe(once);
  });

  it('begins anew where the newest page does not reach the list', () => {
    expect(ids(withNew(pages([3, 2, 1]), page([9, 8, 7], true)))).toEqual(['exe_9', 'exe_8', 'exe_7']);
    expect(ids(withNew(pages([]), page([9, 8], true)))).toEqual(['exe_9', 'exe_8']);
  });

  it('does not grow for ever', () => {
    const long = pages(Array.from({ length: 1_001 }, (_, index) => 1_001 - index));
    expect(ids(withNew(long, page([1_002, 1_001])))).toEqual(['exe_1002', 'exe_1001']);
  });
});

describe('a run that changes', () => {
  it('takes its new state in its place', () => {
    const before = pages([2, 1]);
    const after = updateRuns(before, [run(1, 'failed')]);
    expect(ids(after)).toEqual(['exe_2', 'exe_1']);
    expect(after?.pages[0]?.data[1]?.status).toBe('failed');
    expect(updateRuns(before, [run(1), run(9)])).toBe(before);
  });
});
