/** Drafts outlive a reload and a log-in: they are kept in this tab until they are saved or discarded. */

import type { Definition } from './definition';
import type { Draft } from './draft';

export interface Stored {
  draft: Draft;
  /** What the draft began from; null for a new job. */
  base: { version: number; definition: Definition } | null;
}

/** `job` is the id of a job, or `new`. */
function keyOf(workspace: string, job: string): string {
  return `trigrun.draft.${workspace}.${job}`;
}

export function readStored(workspace: string, job: string): Stored | null {
  try {
    return JSON.parse(sessionStorage.getItem(keyOf(workspace, job)) ?? 'null');
  } catch {
    return null;
  }
}

export function store(workspace: string, job: string, stored: Stored): void {
  try {
    sessionStorage.setItem(keyOf(workspace, job), JSON.stringify(stored));
  } catch {
    // Without storage the draft lasts as long as the page.
  }
}

export function forget(workspace: string, job: string): void {
  try {
    sessionStorage.removeItem(keyOf(workspace, job));
  } catch {
    // There was none.
  }
}
