import type { Status } from './definition';

/** 200, 201, 202, 204 as 200–202, 204. */
export function compactStatuses(statuses: readonly Status[]): string {
  const parts: string[] = [];
  for (let at = 0; at < statuses.length; at += 1) {
    const first = statuses[at];
    let end = at;
    while (typeof statuses[end] === 'number' && statuses[end + 1] === Number(statuses[end]) + 1) end += 1;
    if (end > at + 1) parts.push(`${first}–${statuses[end]}`);
    else parts.push(...statuses.slice(at, end + 1).map(String));
    at = end;
  }
  return parts.join(', ');
}
