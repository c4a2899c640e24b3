/** What a reader chooses for this browser: kept in local storage, and shared between its tabs. */

import { useSyncExternalStore } from 'react';

export interface Prefs {
  theme: 'system' | 'light' | 'dark';
  /** `local` (the browser's), `UTC`, or the name of a zone. */
  zone: string;
  hour12: boolean;
  /** Shortcuts of a single key (WCAG 2.1.4: they can be switched off). */
  singleKeys: boolean;
}

const KEY = 'trigrun.prefs';
const DEFAULTS: Prefs = { theme: 'system', zone: 'local', hour12: false, singleKeys: true };

let current = read();
const listeners = new Set<() => void>();

function read(): Prefs {
  try {
    return { ...DEFAULTS, ...JSON.parse(globalThis.localStorage?.getItem(KEY) ?? '{}') };
  } catch {
    return DEFAULTS;
  }
}

function apply(): void {
  if (typeof document !== 'undefined') {
    const root = document.documentElement;
    if (current.theme === 'system') delete root.dataset.theme;
    else root.dataset.theme = current.theme;
  }
  for (const listener of listeners) listener();
}

export function prefs(): Prefs {
  return current;
}

export function setPrefs(change: Partial<Prefs>): void {
  current = { ...current, ...change };
  try {
    localStorage.setItem(KEY, JSON.stringify(current));
  } catch {
    // Without storage the choice lasts as long as the page.
  }
  apply();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function usePrefs(): Prefs {
  return useSyncExternalStore(subscribe, prefs);
}

/** Takes over what another tab has chosen. */
export function followPrefs(): void {
  addEventListener('storage', (event) => {
    if (event.key !== KEY) return;
    current = read();
    apply();
  });
}
