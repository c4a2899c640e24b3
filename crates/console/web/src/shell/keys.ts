/** Shortcuts: one listener for the page, which the parts on it give their keys to. */

import { useEffect, useRef } from 'react';
import type { IconName } from '../parts/Icon';
import { isCommand, isCovered, isTyping } from '../parts/keys';
import { prefs } from '../prefs';

export interface Shortcut {
  /** As key caps: `R`, `Shift+X`, `mod+K`, `G J` (one after the other), `?`, `[`. */
  keys: string;
  /** What it does: the list of shortcuts and the palette show it. Without it, neither does. */
  label?: string;
  icon?: IconName;
  run: (event: KeyboardEvent | null) => void;
  /** It works in fields too; only with `mod`. */
  inFields?: boolean;
}

/** A shortcut that a part listens for itself, such as the keys of a table: the list of shortcuts shows it. */
export type ListedShortcut = Pick<Shortcut, 'keys' | 'label'>;

/** The lists of shortcuts that are on the page; a later one wins. */
const active: { current: readonly Shortcut[] }[] = [];
const SEQUENCE_MS = 1_200;

let prefix = '';
let prefixAt = 0;

/** Gives the page these shortcuts as long as the component is there. */
export function useKeys(shortcuts: readonly Shortcut[]): void {
  const latest = useRef(shortcuts);
  latest.current = shortcuts;
  useEffect(() => {
    active.push(latest);
    return () => {
      active.splice(active.indexOf(latest), 1);
    };
  }, []);
}

const listed: (readonly ListedShortcut[])[] = [];

/** Lists shortcuts that a part listens for itself; the list must be constant. */
export function useListedKeys(shortcuts: readonly ListedShortcut[]): void {
  useEffect(() => {
    listed.push(shortcuts);
    return () => {
      listed.splice(listed.indexOf(shortcuts), 1);
    };
  }, [shortcuts]);
}

/** The shortcuts that parts of the page listen for themselves. */
export function listedKeys(): ListedShortcut[] {
  return listed.flat();
}

/** All shortcuts with a label, the page's first. */
export function shortcutsOnPage(): Shortcut[] {
  return active.flatMap((list) => list.current).filter((it) => it.label !== undefined);
}

/** Whether a press is the last key of a shortcut. */
export function matches(keys: string, event: KeyboardEvent, before: string): boolean {
  const steps = keys.split(' ');
  const last = steps.at(-1) as string;
  if (steps.length > 1 && steps[0]?.toLowerCase() !== before) return false;
  const names = last.split('+');
  const key = names.at(-1) as string;
  if (names.includes('mod') !== isCommand(event) || event.altKey) return false;
  // The other of the two command keys belongs to the browser.
  if (!names.includes('mod') && (event.metaKey || event.ctrlKey)) return false;
  if (/^[a-z]$/i.test(key) || key.length > 1) {
    return event.key.toLowerCase() === key.toLowerCase() && names.includes('Shift') === event.shiftKey;
  }
  return event.key === key;
}

function dispatch(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.isComposing) return;
  const withCommand = isCommand(event);
  if (isTyping(event.target) && !withCommand) return;
  const before = performance.now() - prefixAt < SEQUENCE_MS ? prefix : '';
  prefix = '';
  if (isCovered() && !withCommand) return;
  if (!withCommand && !prefs().singleKeys && event.key.length === 1) return;
  const all = active.flatMap((list) => list.current);
  const sequences = before ? all.filter((it) => it.keys.includes(' ')) : [];
  const single = all.filter((it) => !it.keys.includes(' '));
  const found =
    sequences.findLast((it) => matches(it.keys, event, before)) ??
    (before && sequences.length > 0 && event.key.length === 1
      ? undefined
      : single.findLast((it) => matches(it.keys, event, '')));
  if (found && (found.inFields || !isTyping(event.target))) {
    event.preventDefault();
    found.run(event);
  } else if (
    !withCommand &&
    !event.shiftKey &&
    all.some((it) => it.keys.toLowerCase().startsWith(`${event.key} `))
  ) {
    prefix = event.key;
    prefixAt = performance.now();
  }
}

/** Listens; the shell does it once. */
export function useKeyboard(): void {
  useEffect(() => {
    addEventListener('keydown', dispatch);
    return () => removeEventListener('keydown', dispatch);
  }, []);
}
