/** Sentences for screen readers: at most one in five seconds, the latest wins. */

import { useSyncExternalStore } from 'react';

const BETWEEN_MS = 5_000;

let said = '';
let waiting: string | null = null;
let timer: ReturnType<typeof setTimeout> | undefined;
const listeners = new Set<() => void>();

function say(text: string): void {
  said = text;
  for (const listener of listeners) listener();
  timer = setTimeout(() => {
    timer = undefined;
    if (waiting === null) return;
    const next = waiting;
    waiting = null;
    say(next);
  }, BETWEEN_MS);
}

/** Says a sentence politely. */
export function announce(text: string): void {
  if (timer) waiting = text;
  else say(text);
}

export function useAnnouncement(): string {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => said,
  );
}
