import { expect, it } from 'vitest';
import { jobRunsFilter, readRunChips, writeRunChips } from '../src/screens/job/runsFilter';

const read = (address: string) => readRunChips(new URLSearchParams(address));

it('reads and writes the address, without what the API would refuse', () => {
  const address = 'status=failed%2Cskipped&http=5xx&error=timeout_tls&trigger=manual&attempts=2';
  expect(writeRunChips(read(address)).toString()).toBe(address);
  expect(read('status=gone&http=600&error=A%20b&trigger=clock&attempts=11&from=x')).toEqual([]);
});

it('makes one parameter of several statuses, and takes the last of other keys', () => {
  const chips = [
    { key: 'status', value: 'failed' },
    { key: 'status', value: 'skipped,failed' },
    { key: 'http', value: '503' },
    { key: 'http', value: '504' },
    { key: 'size', value: '1' },
  ];
  expect(writeRunChips(chips).toString()).toBe('status=failed%2Cskipped&http=504');
});

it('is the filter that the API takes', () => {
  expect(jobRunsFilter(read('status=failed,skipped&http=5xx&trigger=replay&attempts=2'))).toEqual({
    status: ['failed', 'skipped'],
    status_code: '5xx',
    source: 'replay',
    min_attempts: 2,
  });
  expect(jobRunsFilter([])).toEqual({});
});
