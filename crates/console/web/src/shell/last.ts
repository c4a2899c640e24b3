/** The workspace that this browser was in last: where a page without a workspace in its address leads. */

import type { Membership } from '../api/session';

const KEY = 'trigrun.workspace';

export function rememberWorkspace(id: string): void {
  try {
    localStorage.setItem(KEY, id);
  } catch {
    // Without storage, the first workspace of the list is taken.
  }
}

export function lastWorkspace(workspaces: readonly Membership[]): Membership | null {
  let kept: string | null = null;
  try {
    kept = localStorage.getItem(KEY);
  } catch {
    // As above.
  }
  return workspaces.find((it) => it.id === kept) ?? workspaces[0] ?? null;
}
