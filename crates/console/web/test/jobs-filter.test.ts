import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  apiFilter,
  CHIP_KEYS,
  CHIP_VALUES,
  chipsBesideView,
  inView,
  oneEach,
  type Query,
  readQuery,
  SORTS,
  VIEWS,
  viewOf,
  writeQuery,
} from '../src/screens/jobs/filter';

const word = fc.string({ minLength: 1 }).filter((it) => it.trim() === it && it !== '');
const chip = fc.constantFrom(...CHIP_KEYS).chain((key) =>
  fc.record({
    key: fc.constant(key),
    value: CHIP_VALUES[key] ? fc.constantFrom(...CHIP_VALUES[key]) : word,
  }),
);
const query: fc.Arbitrary<Query> = fc.record({
  text: fc.oneof(fc.constant(''), word),
  chips: fc.array(chip).map(oneEach),
  sort: fc.constantFrom(...SORTS),
});

const read = (address: string) => readQuery(new URLSearchParams(address));

describe('the filter of jobs', () => {
  it('comes back from its address', () => {
    fc.assert(
      fc.property(query, (it) => {
        expect(read(writeQuery(it).toString())).toEqual(it);
      }),
    );
  });

  it('leaves out what an address should not have', () => {
    expect(read('state=gone&health=well&sort=size&q=%20&host=&cursor=x')).toEqual({
      text: '',
      chips: [{ key: 'health', value: 'well' }],
      sort: 'attention',
    });
    expect(writeQuery({ text: '', chips: [], sort: 'attention' }).toString()).toBe('');
  });

  it('takes the last of each key, as the API takes one', () => {
    const chips = [
      { key: 'tag', value: 'a' },
      { key: 'host', value: 'x' },
      { key: 'tag', value: 'b' },
      { key: 'size', value: '1' },
      { key: 'state', value: 'unknown' },
    ];
    expect(oneEach(chips)).toEqual([
      { key: 'host', value: 'x' },
      { key: 'tag', value: 'b' },
    ]);
    expect(apiFilter({ text: 'pay', chips: oneEach(chips) })).toEqual({ host: 'x', tag: 'b', q: 'pay' });
    expect(apiFilter({ text: '', chips: [] })).toEqual({});
  });
});

describe('the views', () => {
  it('keep the other chips', () => {
    fc.assert(
      fc.property(query, fc.constantFrom(...VIEWS.map((it) => it.id)), (it, view) => {
        const shown = inView(it, view);
        expect(viewOf(shown)).toBe(view);
        const others = (chips: Query['chips']) =>
          chips.filter(({ key }) => key !== 'state' && key !== 'health');
        expect(others(shown.chips)).toEqual(others(it.chips));
        expect(chipsBesideView(shown)).toEqual(others(it.chips));
      }),
    );
  });

  it('show a chip that is no view', () => {
    const active = read('state=active&tag=a');
    expect(viewOf(active)).toBe('all');
    expect(chipsBesideView(active)).toEqual(active.chips);
    expect(viewOf(read('state=paused&health=failing'))).toBe('all');
  });
});
