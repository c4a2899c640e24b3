/** What was done, for ten seconds, with a way to undo it. */
export interface ToastContent {
  text: string;
  tone?: 'done' | 'failed';
  undo?: () => Promise<unknown>;
  /** Another way on, such as *Open*. */
  action?: { label: string; onSelect: () => void };
}

export interface Shown extends ToastContent {
  id: number;
  state: 'shown' | 'undoing' | 'undone' | 'undo-failed';
}

const MAX_SHOWN = 3;

let shown: readonly Shown[] = [];
let next = 1;
const listeners = new Set<() => void>();

function set(list: readonly Shown[]): void {
  shown = list;
  for (const listener of listeners) listener();
}

export function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function current(): readonly Shown[] {
  return shown;
}

/** Says what was done. */
export function toast(content: ToastContent): void {
  set([...shown, { ...content, id: next++, state: 'shown' as const }].slice(-MAX_SHOWN));
}

export function dismiss(id: number): void {
  set(shown.filter((it) => it.id !== id));
}

function change(id: number, state: Shown['state']): void {
  set(shown.map((it) => (it.id === id ? { ...it, state } : it)));
}

/** Undoes what a toast says, once. */
export async function undo(id: number): Promise<void> {
  const found = shown.find((it) => it.id === id);
  if (!found?.undo || found.state !== 'shown') return;
  change(id, 'undoing');
  try {
    await found.undo();
    change(id, 'undone');
  } catch {
    change(id, 'undo-failed');
  }
}

/** Undoes the last that can be undone; false if there is none. */
export function undoLast(): boolean {
  const last = shown.findLast((it) => it.undo && it.state === 'shown');
  if (last) void undo(last.id);
  return last !== undefined;
}
