/** Differences of definitions, field by field: for the bar, the patch, and what two editors changed at once. */

import type { JobPatch } from '../../api/queries/jobs';
import type { Change } from '../../parts/Diff';
import { type Definition, isSame } from './definition';

/** The leaves of a definition by their JSON pointers. A list, and the body, are one leaf. */
export type Leaves = ReadonlyMap<string, unknown>;

export function leavesOf(definition: Definition): Leaves {
  const leaves = new Map<string, unknown>();
  const walk = (value: unknown, pointer: string) => {
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    if (!isObject || pointer === '/request/body') {
      if (value !== undefined && !(value === null && pointer === '/schedule')) leaves.set(pointer, value);
      return;
    }
    for (const [name, inner] of Object.entries(value)) walk(inner, `${pointer}/${escaped(name)}`);
  };
  walk(definition, '');
  return leaves;
}

function escaped(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}

/** The parts of a JSON pointer. */
export function partsOf(pointer: string): string[] {
  return pointer
    .split('/')
    .slice(1)
    .map((it) => it.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** The pointers at which two definitions differ, in the order of the form. */
export function changedPointers(before: Leaves, after: Leaves): string[] {
  const pointers = new Set([...before.keys(), ...after.keys()]);
  return [...pointers].filter((pointer) => !isSame(before.get(pointer), after.get(pointer)));
}

/** The differences in words. */
export function changesOf(before: Definition, after: Definition): Change[] {
  const [from, to] = [leavesOf(before), leavesOf(after)];
  return changedPointers(from, to).map((pointer) => changeAt(pointer, from, to));
}

export function changeAt(pointer: string, before: Leaves, after: Leaves): Change {
  return {
    field: partsOf(pointer).join('.'),
    before: textOf(before.get(pointer)),
    after: textOf(after.get(pointer)),
  };
}

function textOf(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (Array.isArray(value)) return value.join(', ');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** The merge patch that makes one definition of another; null if they are the same. */
export function patchOf(before: Definition, after: Definition): JobPatch | null {
  const [from, to] = [leavesOf(before), leavesOf(after)];
  const pointers = changedPointers(from, to);
  if (pointers.length === 0) return null;
  const patch: Record<string, unknown> = {};
  for (const pointer of pointers) put(patch, partsOf(pointer), to.get(pointer) ?? null);
  // Without a schedule there is nothing to merge.
  if (after.schedule === null && 'schedule' in patch) patch.schedule = null;
  return patch as JobPatch;
}

function put(target: Record<string, unknown>, [name, ...rest]: string[], value: unknown): void {
  if (name === undefined) return;
  if (rest.length === 0) target[name] = value;
  else {
    target[name] ??= {};
    put(target[name] as Record<string, unknown>, rest, value);
  }
}

export interface Merge {
  /** Mine, with what only they changed. In a conflict it has mine. */
  merged: Definition;
  /** What both changed, and not to the same. */
  conflicts: string[];
}

/** Merges what two made of one version. A schedule is merged as a whole: half of one is none. */
export function merge(base: Definition, mine: Definition, theirs: Definition): Merge {
  const [from, ours, others] = [leavesOf(base), leavesOf(mine), leavesOf(theirs)];
  const myChanges = new Set(changedPointers(from, ours));
  const theirChanges = changedPointers(from, others);
  const iChangedSchedule = [...myChanges].some(isSchedule);
  const conflicts = changedPointers(ours, others).filter(
    (pointer) =>
      theirChanges.some((it) => it === pointer || (isSchedule(it) && isSchedule(pointer))) &&
      (myChanges.has(pointer) || (isSchedule(pointer) && iChangedSchedule)),
  );
  const taken = theirChanges.filter(
    (pointer) => !myChanges.has(pointer) && !(isSchedule(pointer) && iChangedSchedule),
  );
  return { merged: withLeaves(mine, theirs, taken), conflicts };
}

/** Takes the values at some pointers from another definition. */
export function withLeaves(target: Definition, from: Definition, pointers: readonly string[]): Definition {
  const values = leavesOf(from);
  const result = structuredClone(target) as Definition & Record<string, unknown>;
  const plain = pointers.filter((pointer) => !isSchedule(pointer));
  for (const pointer of plain) set(result, partsOf(pointer), values.get(pointer));
  if (plain.length < pointers.length) {
    result.schedule = structuredClone(from.schedule);
    result.kind = from.kind;
  }
  return result;
}

function set(target: Record<string, unknown>, [name, ...rest]: string[], value: unknown): void {
  if (name === undefined) return;
  if (rest.length > 0) set(target[name] as Record<string, unknown>, rest, value);
  else if (value === undefined) delete target[name];
  else target[name] = value;
}

/** Whether a pointer is of the schedule: its fields go together. */
export function isSchedule(pointer: string): boolean {
  return pointer === '/kind' || pointer.startsWith('/schedule');
}
