/** The filter of Jobs: in the address, as chips and words, and as the API takes it. */

import type { JobFilter, JobSort } from '../../api/queries/jobs';

export type Sort = Extract<JobSort, 'attention' | 'name' | 'next_run_at' | '-last_run_at' | '-created_at'>;
export const SORTS: readonly Sort[] = ['attention', 'name', 'next_run_at', '-last_run_at', '-created_at'];

const KEYS = ['host', 'tag', 'secret', 'state', 'health', 'kind', 'stack'] as const;
export type ChipKey = (typeof KEYS)[number];
export const CHIP_KEYS: readonly ChipKey[] = KEYS;

/** The values that a key can have, where they are few. */
export const CHIP_VALUES: Partial<Record<ChipKey, readonly string[]>> = {
  state: ['active', 'paused', 'draft', 'completed'],
  health: ['failing', 'will_fail', 'well', 'never_ran'],
  kind: ['cron', 'recurring', 'scheduled', 'one_time'],
};

export interface Chip {
  key: ChipKey;
  value: string;
}

export interface Query {
  text: string;
  chips: readonly Chip[];
  sort: Sort;
}

/** Reads an address. What it does not know, it leaves out: an address can be typed. */
export function readQuery(params: URLSearchParams): Query {
  const sort = params.get('sort') as Sort;
  const chips = KEYS.flatMap((key): Chip[] => {
    const value = params.get(key)?.trim();
    return value && isValue(key, value) ? [{ key, value }] : [];
  });
  return { text: params.get('q')?.trim() ?? '', chips, sort: SORTS.includes(sort) ? sort : 'attention' };
}

/** Writes an address; what is usual is left out. */
export function writeQuery(query: Query): URLSearchParams {
  const params = new URLSearchParams();
  if (query.text) params.set('q', query.text);
  for (const { key, value } of oneEach(query.chips)) params.set(key, value);
  if (query.sort !== 'attention') params.set('sort', query.sort);
  return params;
}

function isValue(key: ChipKey, value: string): boolean {
  return CHIP_VALUES[key]?.includes(value) ?? true;
}

/** Chips that can be filtered by: of known keys and values, the last of each key, in the order of the keys. */
export function oneEach(chips: readonly { key: string; value: string }[]): Chip[] {
  return KEYS.flatMap((key): Chip[] => {
    const value = chips.findLast((chip) => chip.key === key && isValue(key, chip.value))?.value;
    return value === undefined ? [] : [{ key, value }];
  });
}

/** The filter as the API takes it. */
export function apiFilter(query: Pick<Query, 'text' | 'chips'>): JobFilter {
  const filter = Object.fromEntries(oneEach(query.chips).map(({ key, value }) => [key, value]));
  return { ...filter, ...(query.text && { q: query.text }) };
}

/** The views above the list: each is a chip, or none. */
export const VIEWS: readonly { id: string; chip: Chip | null }[] = [
  { id: 'all', chip: null },
  { id: 'failing', chip: { key: 'health', value: 'failing' } },
  { id: 'willFail', chip: { key: 'health', value: 'will_fail' } },
  { id: 'neverRan', chip: { key: 'health', value: 'never_ran' } },
  { id: 'paused', chip: { key: 'state', value: 'paused' } },
  { id: 'drafts', chip: { key: 'state', value: 'draft' } },
  { id: 'completed', chip: { key: 'state', value: 'completed' } },
];

const isViewKey = (chip: Chip) => chip.key === 'state' || chip.key === 'health';

/** The view that the chips of state and health are; `all` if they are none of the views. */
export function viewOf(query: Query): string {
  const own = query.chips.filter(isViewKey);
  if (own.length !== 1) return 'all';
  return VIEWS.find(({ chip }) => chip?.key === own[0]?.key && chip?.value === own[0]?.value)?.id ?? 'all';
}

/** The same filter in another view. */
export function inView(query: Query, id: string): Query {
  const chip = VIEWS.find((view) => view.id === id)?.chip;
  return {
    ...query,
    chips: oneEach([...query.chips.filter((it) => !isViewKey(it)), ...(chip ? [chip] : [])]),
  };
}

/** The chips that the view does not say already. */
export function chipsBesideView(query: Query): Chip[] {
  const chip = VIEWS.find((view) => view.id === viewOf(query))?.chip;
  return query.chips.filter((it) => it.key !== chip?.key || it.value !== chip.value);
}
