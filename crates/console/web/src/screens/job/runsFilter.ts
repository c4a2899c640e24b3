/** The filter of a job's runs: chips, the address, and as the API takes it. */

import type { JobRunsFilter } from '../../api/queries/jobDetails';
import type { QueryKey } from '../../parts/query';
import { words } from '../../words/en/job';

const STATUSES = ['queued', 'running', 'retrying', 'succeeded', 'failed', 'cancelled', 'skipped'];
const SOURCES = ['schedule', 'manual', 'one_time', 'replay'];

interface Chip {
  key: string;
  value: string;
}

const VALID: Record<string, (value: string) => boolean> = {
  status: (value) => value.split(',').every((it) => STATUSES.includes(it)),
  http: (value) => /^[1-5](\d\d|xx)$/.test(value),
  error: (value) => /^[a-z0-9_]+$/.test(value),
  trigger: (value) => SOURCES.includes(value),
  attempts: (value) => /^([1-9]|10)$/.test(value),
};

export const RUN_KEYS: readonly QueryKey[] = Object.keys(VALID).map((key) => ({
  key,
  hint: words.runKeys[key] ?? '',
  ...(key === 'status' && { values: STATUSES }),
  ...(key === 'trigger' && { values: SOURCES }),
  ...(key === 'http' && { values: ['4xx', '5xx'] }),
}));

export function readRunChips(params: URLSearchParams): Chip[] {
  return Object.keys(VALID).flatMap((key) => {
    const value = params.get(key);
    return value && VALID[key]?.(value) ? [{ key, value }] : [];
  });
}

/** Several statuses are one parameter; of other keys, the last counts. */
export function writeRunChips(chips: readonly Chip[]): URLSearchParams {
  const params = new URLSearchParams();
  for (const { key, value } of chips) {
    if (!VALID[key]?.(value)) continue;
    const before = key === 'status' ? params.get(key) : null;
    params.set(key, before ? [...new Set([...before.split(','), ...value.split(',')])].join(',') : value);
  }
  return params;
}

export function jobRunsFilter(chips: readonly Chip[]): JobRunsFilter {
  const of = (key: string) => chips.find((chip) => chip.key === key)?.value;
  const filter = {
    status: of('status')?.split(','),
    status_code: of('http'),
    error_class: of('error'),
    source: of('trigger'),
    min_attempts: of('attempts') === undefined ? undefined : Number(of('attempts')),
  };
  return Object.fromEntries(
    Object.entries(filter).filter(([, value]) => value !== undefined),
  ) as JobRunsFilter;
}
