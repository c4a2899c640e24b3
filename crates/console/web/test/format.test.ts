import { describe, expect, it } from 'vitest';
import { bytes, count, counted, duration, list, ordinal, percent, wholeDuration } from '../src/format';

describe('durations', () => {
  it.each([
    [0, '0 ms'],
    [0.04, '0.1 ms'],
    [0.24, '0.2 ms'],
    [1.06, '1.1 ms'],
    [9.94, '9.9 ms'],
    [148.4, '148 ms'],
    [999.4, '999 ms'],
    [999.6, '1.00 s'],
    [6_842, '6.84 s'],
    [9_996, '10.0 s'],
    [31_600, '31.6 s'],
    [59_960, '1 min'],
    [173_000, '2 min 53 s'],
    [3_600_000, '1 h'],
    [43_020_000, '11 h 57 min'],
    [316_800_000, '3 d 16 h'],
    [86_400_000, '1 d'],
    [-1_500, '−1.50 s'],
    [null, '–'],
  ])('%s ms is %s', (ms, text) => {
    expect(duration(ms)).toBe(text);
  });

  it('count down in whole seconds', () => {
    expect([0, 999, 53_999, 60_000, -5_000].map(wholeDuration)).toEqual([
      '0 s',
      '0 s',
      '53 s',
      '1 min',
      '0 s',
    ]);
  });
});

describe('numbers', () => {
  it('have separators and plurals', () => {
    expect(count(1284)).toBe('1,284');
    expect(counted(1, 'run')).toBe('1 run');
    expect(counted(0, 'run')).toBe('0 runs');
    expect(counted(1284, 'entry', 'entries')).toBe('1,284 entries');
    expect(list(['a', 'b', 'c'])).toBe('a, b and c');
    expect([1, 2, 3, 4, 11, 22].map(ordinal)).toEqual(['1st', '2nd', '3rd', '4th', '11th', '22nd']);
  });

  it('are 100% only if all of them are, and 0% only if none is', () => {
    expect([1, 0, 0.999999, 0.000001, 0.9993, 0.981, 0.5].map(percent)).toEqual([
      '100%',
      '0%',
      '99.99%',
      '0.01%',
      '99.93%',
      '98.1%',
      '50.0%',
    ]);
  });

  it('have binary units of bytes', () => {
    expect([0, 812, 65_536, 1_468_006].map(bytes)).toEqual(['0 B', '812 B', '64 KiB', '1.4 MiB']);
  });
});
