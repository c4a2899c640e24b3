/** The fields that many jobs can be given at once. */

import type { JobsBulkInput } from '../../api/queries/bulk';

export type FieldName = 'timeout' | 'attempts' | 'concurrency' | 'overlap' | 'misfire' | 'timezone';

interface Field {
  type: 'number' | 'text';
  max?: number;
  options?: readonly string[];
  patch: (value: string) => object;
}

export const FIELDS: Record<FieldName, Field> = {
  timeout: { type: 'number', max: 3600, patch: (value) => ({ request: { timeout_seconds: Number(value) } }) },
  attempts: {
    type: 'number',
    max: 10,
    patch: (value) => ({ retry_policy: { max_attempts: Number(value) } }),
  },
  concurrency: { type: 'number', max: 10_000, patch: (value) => ({ concurrency_limit: Number(value) }) },
  overlap: { type: 'text', options: ['queue', 'skip'], patch: (value) => ({ overlap_policy: value }) },
  misfire: {
    type: 'text',
    options: ['fire_once', 'skip', 'catch_up'],
    patch: (value) => ({ misfire_policy: value }),
  },
  timezone: { type: 'text', patch: (value) => ({ schedule: { timezone: value } }) },
};

/** The merge patch that gives a field a value; null while there is no value. */
export function patchOf(field: FieldName, value: string): NonNullable<JobsBulkInput['patch']> | null {
  const text = value.trim();
  // A merge patch has only the fields that change, also where a whole job must have more.
  return text === '' ? null : (FIELDS[field].patch(text) as NonNullable<JobsBulkInput['patch']>);
}
