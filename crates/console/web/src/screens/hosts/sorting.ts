/** The order of hosts, and which of them match. */

import type { Host } from '../../api/queries/hosts';

export const SORTS = ['attention', 'jobs', 'nextHour', 'host'] as const;
export type Sort = (typeof SORTS)[number];

export function readSort(value: string | null): Sort {
  return SORTS.find((it) => it === value) ?? 'attention';
}

const RANKS: Record<Sort, (one: Host, other: Host) => number> = {
  attention: (one, other) => other.failing - one.failing || other.jobs - one.jobs,
  jobs: (one, other) => other.jobs - one.jobs,
  nextHour: (one, other) => other.next_hour - one.next_hour,
  host: () => 0,
};

/** Those whose name has the text, in an order; equal ones by name. */
export function sorted(hosts: readonly Host[], sort: Sort, text: string): Host[] {
  const wanted = text.trim().toLowerCase();
  return hosts
    .filter((it) => it.host.includes(wanted))
    .sort((one, other) => RANKS[sort](one, other) || one.host.localeCompare(other.host));
}
