/** The filter of Runs: in the address, as chips and words, and as the API takes it. */

import type { RunFilter } from '../../api/queries/executions';
import { instantOf, readPeriod, wallTime } from './period';

const KEYS = ['status', 'job', 'host', 'tag', 'error', 'http', 'source', 'tries', 'from', 'to'] as const;
export type ChipKey = (typeof KEYS)[number];
export const CHIP_KEYS: readonly ChipKey[] = KEYS;

export const STATUSES = [
  'queued',
  'running',
  'retrying',
  'succeeded',
  'failed',
  'cancelled',
  'skipped',
] as const;
type Status = (typeof STATUSES)[number];
export const SOURCES = ['schedule', 'manual', 'one_time', 'replay'] as const;
type Source = (typeof SOURCES)[number];

/** The classes of errors that are completed; the API may know others. */
export const ERROR_CLASSES: readonly string[] = [
  'http_4xx',
  'http_5xx',
  'timeout_response',
  'timeout_body',
  'timeout_connect',
  'connect_refused',
  'connect_reset',
  'connect_unreachable',
  'dns_not_found',
  'dns_failed',
  'tls_certificate',
  'tls_handshake',
  'closed_early',
  'egress_refused',
  'secret_missing',
  'interrupted',
  'lost',
  'cancelled',
];

/** What has not ended. */
const OPEN: readonly Status[] = ['queued', 'running', 'retrying'];

export interface Chip {
  key: ChipKey;
  value: string;
}

export interface Query {
  text: string;
  chips: readonly Chip[];
}

function isStatuses(value: string): boolean {
  return value.split(',').every((it) => STATUSES.includes(it as Status));
}

// What the API would refuse is no filter: an address can be typed.
function isValue(key: ChipKey, value: string): boolean {
  switch (key) {
    case 'status':
      return isStatuses(value);
    case 'source':
      return SOURCES.includes(value as Source);
    case 'http':
      return /^[1-9](\d\d|xx)$/.test(value);
    case 'tries':
      return /^[1-9]\d?$/.test(value);
    case 'from':
    case 'to':
      return readPeriod(value, 0) !== null;
    default:
      return value !== '';
  }
}

/** Reads an address; what it does not know, it leaves out. */
export function readQuery(params: URLSearchParams): Query {
  const chips = KEYS.flatMap((key): Chip[] => {
    const value = params.get(key)?.trim();
    return value && isValue(key, value) ? [{ key, value }] : [];
  });
  return { text: params.get('q')?.trim() ?? '', chips };
}

/** Writes an address. */
export function writeQuery(query: Query): URLSearchParams {
  const params = new URLSearchParams();
  if (query.text) params.set('q', query.text);
  for (const { key, value } of oneEach(query.chips)) params.set(key, value);
  return params;
}

/** The address of Runs with a filter, relative to the workspace. */
export function hrefOf(query: Query): string {
  const params = writeQuery(query).toString();
  return params ? `/runs?${params}` : '/runs';
}

/** The last valid chip of each key, in the order of the keys. */
export function oneEach(chips: readonly { key: string; value: string }[]): Chip[] {
  return KEYS.flatMap((key): Chip[] => {
    const value = chips.findLast((chip) => chip.key === key && isValue(key, chip.value))?.value;
    return value === undefined ? [] : [{ key, value }];
  });
}

/** The value of a chip, or undefined. */
export function chipValue(query: Query, key: ChipKey): string | undefined {
  return query.chips.find((chip) => chip.key === key)?.value;
}

/** The same filter with other values; null drops a chip. */
export function withChips(query: Query, values: Partial<Record<ChipKey, string | null>>): Query {
  const kept = query.chips.filter((chip) => !(chip.key in values));
  const added = Object.entries(values).flatMap(([key, value]) => (value ? [{ key, value }] : []));
  return { ...query, chips: oneEach([...kept, ...added]) };
}

/** Instants in chips are read and written in the viewer's zone, in the address in UTC. */
export function toShown(chip: Chip, zone: string): Chip {
  const isInstant = (chip.key === 'from' || chip.key === 'to') && /^\d{4}-/.test(chip.value);
  return isInstant ? { ...chip, value: wallTime(Date.parse(chip.value), zone) } : chip;
}

/** As `toShown`, back. */
export function fromShown(
  chip: { key: string; value: string },
  zone: string,
): { key: string; value: string } {
  if (chip.key !== 'from' && chip.key !== 'to') return chip;
  const at = instantOf(chip.value, zone);
  return at === null ? chip : { ...chip, value: new Date(at).toISOString() };
}

/** The filter as the API takes it; `from: 24h` counts back from `now`. */
export function apiFilter(query: Query, now: number): RunFilter {
  const value = (key: ChipKey) => chipValue(query, key);
  const instant = (key: 'from' | 'to') => {
    const at = readPeriod(value(key) ?? '', now);
    return at === null ? undefined : new Date(at).toISOString();
  };
  const filter: RunFilter = {
    status: value('status')?.split(',') as Status[] | undefined,
    job_id: value('job'),
    job_name: query.text || undefined,
    host: value('host'),
    tag: value('tag'),
    error_class: value('error'),
    status_code: value('http'),
    source: value('source') as Source | undefined,
    min_attempts: value('tries') === undefined ? undefined : Number(value('tries')),
    from: instant('from'),
    to: instant('to'),
  };
  return Object.fromEntries(Object.entries(filter).filter(([, it]) => it !== undefined)) as RunFilter;
}

/** The views above the list: each is a chip of the status, or none. */
export const VIEWS: readonly { id: 'all' | 'failed' | 'open' | 'retried' | 'skipped'; chip: Chip | null }[] =
  [
    { id: 'all', chip: null },
    { id: 'failed', chip: { key: 'status', value: 'failed' } },
    { id: 'open', chip: { key: 'status', value: OPEN.join(',') } },
    { id: 'retried', chip: { key: 'tries', value: '2' } },
    { id: 'skipped', chip: { key: 'status', value: 'skipped' } },
  ];

type ViewId = (typeof VIEWS)[number]['id'];

const ofView = (chip: Chip) => chip.key === 'status' || chip.key === 'tries';

/** The view that the chips are; `all` if they are none of the views. */
export function viewOf(query: Query): ViewId {
  const own = query.chips.filter(ofView);
  if (own.length !== 1) return 'all';
  return VIEWS.find(({ chip }) => chip?.key === own[0]?.key && chip?.value === own[0]?.value)?.id ?? 'all';
}

/** The same filter in another view. */
export function inView(query: Query, id: ViewId): Query {
  const chip = VIEWS.find((view) => view.id === id)?.chip;
  const kept = query.chips.filter((it) => !ofView(it));
  return { ...query, chips: oneEach(chip ? [...kept, chip] : kept) };
}

/** The chips that the view does not say already. */
export function chipsBesideView(query: Query): Chip[] {
  const chip = VIEWS.find((view) => view.id === viewOf(query))?.chip;
  return query.chips.filter((it) => it.key !== chip?.key || it.value !== chip.value);
}

/** Whether a run can still be cancelled. */
export function isOpen(status: string): boolean {
  return OPEN.includes(status as Status);
}
