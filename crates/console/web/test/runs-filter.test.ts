import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  apiFilter,
  type Chip,
  chipsBesideView,
  fromShown,
  hrefOf,
  inView,
  oneEach,
  readQuery,
  toShown,
  VIEWS,
  viewOf,
  withChips,
  writeQuery,
} from '../src/screens/runs/filter';

const NOW = Date.parse('2026-11-26T13:00:00Z');
const read = (address: string) => readQuery(new URLSearchParams(address));

describe('the address', () => {
  it('holds words and chips', () => {
    const query = read('q=charge&status=failed,cancelled&host=api.example.com&http=5xx&tries=2&from=24h');
    expect(query.text).toBe('charge');
    expect(query.chips).toEqual([
      { key: 'status', value: 'failed,cancelled' },
      { key: 'host', value: 'api.example.com' },
      { key: 'http', value: '5xx' },
      { key: 'tries', value: '2' },
      { key: 'from', value: '24h' },
    ]);
  });

  it('leaves out what the API would refuse', () => {
    const bad = 'status=lost&source=moon&http=9&tries=0&from=yesterday&to=2026-11-26&unknown=1';
    expect(read(bad)).toEqual({ text: '', chips: [] });
  });

  it('is read as it was written', () => {
    const value = fc.string({ minLength: 1, maxLength: 20 }).filter((it) => it.trim() === it && it !== '');
    const chip = fc.oneof(
      fc.record({ key: fc.constantFrom('host', 'tag', 'error', 'job'), value }),
      fc.record({ key: fc.constant('status'), value: fc.constantFrom('failed', 'failed,skipped') }),
      fc.record({ key: fc.constantFrom('from', 'to'), value: fc.constantFrom('2h', '2026-11-26T13:00:00Z') }),
    ) as fc.Arbitrary<Chip>;
    const text = fc.oneof(fc.constant(''), value);
    fc.assert(
      fc.property(fc.array(chip, { maxLength: 5 }), text, (chips, words) => {
        const query = { text: words, chips: oneEach(chips) };
        expect(readQuery(writeQuery(query))).toEqual(query);
      }),
    );
  });

  it('of no filter is the page itself', () => {
    expect(hrefOf({ text: '', chips: [] })).toBe('/runs');
    expect(hrefOf(read('status=failed'))).toBe('/runs?status=failed');
  });
});

describe('the filter of the API', () => {
  it('has the names of the API, and instants', () => {
    const query = read(
      'q=x&job=job_1&error=connect_refused&http=503&source=replay&tries=3&from=1h&status=failed,skipped',
    );
    expect(apiFilter(query, NOW)).toEqual({
      job_name: 'x',
      job_id: 'job_1',
      error_class: 'connect_refused',
      status_code: '503',
      source: 'replay',
      min_attempts: 3,
      from: '2026-11-26T12:00:00.000Z',
      status: ['failed', 'skipped'],
    });
  });

  it('of nothing is empty', () => {
    expect(apiFilter({ text: '', chips: [] }, NOW)).toEqual({});
  });
});

describe('views', () => {
  it.each(VIEWS.map((view) => view.id))('%s is read from its own address', (id) => {
    const query = inView(read('host=api.example.com'), id);
    expect(viewOf(query)).toBe(id);
    expect(chipsBesideView(query)).toEqual([{ key: 'host', value: 'api.example.com' }]);
  });

  it('a status and attempts together are none', () => {
    const query = read('status=failed&tries=2');
    expect(viewOf(query)).toBe('all');
    expect(chipsBesideView(query)).toHaveLength(2);
  });
});

describe('chips', () => {
  it('a later one replaces an earlier one of its key; null drops it', () => {
    const query = withChips(read('host=a&from=1h'), { host: 'b', from: null });
    expect(query.chips).toEqual([{ key: 'host', value: 'b' }]);
  });

  it('an instant is written in the zone of the viewer, and read from it', () => {
    const chip: Chip = { key: 'from', value: '2026-11-26T13:05:00.000Z' };
    const shown = toShown(chip, 'Europe/Berlin');
    expect(shown.value).toBe('2026-11-26T14:05');
    expect(fromShown(shown, 'Europe/Berlin')).toEqual(chip);
  });

  it('a period stays a period', () => {
    const chip: Chip = { key: 'from', value: '7d' };
    expect(fromShown(toShown(chip, 'UTC'), 'UTC')).toEqual(chip);
  });
});
