/** What the server asks for in the middle of a request: the dialog that answers it lives in shell/. */

import { useSyncExternalStore } from 'react';

export type Challenge = 'login' | 'confirm';

interface Open {
  kind: Challenge;
  settle: (isMet: boolean) => void;
  met: Promise<boolean>;
}

let open: Open | null = null;
const listeners = new Set<() => void>();

function changed(next: Open | null): void {
  open = next;
  for (const listener of listeners) listener();
}

/**
 * Asks the user, and resolves to whether the request is to be sent again. Requests that meet the same challenge share
 * one dialog.
 */
export async function challenge(kind: Challenge): Promise<boolean> {
  while (open && open.kind !== kind) await open.met;
  if (!open) {
    let settle: (isMet: boolean) => void = () => {};
    const met = new Promise<boolean>((resolve) => {
      settle = resolve;
    });
    changed({ kind, settle, met });
  }
  return (open as unknown as Open).met;
}

/** Ends the dialog. */
export function settle(isMet: boolean): void {
  const ended = open;
  changed(null);
  ended?.settle(isMet);
}

export function useChallenge(): Challenge | null {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => open?.kind ?? null,
  );
}
