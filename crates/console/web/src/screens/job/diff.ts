/** Two definitions of a job, field by field. */

import type { Change } from '../../parts/Diff';

type Json = unknown;

function isObject(value: Json): value is Record<string, Json> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isEqual(one: Json, other: Json): boolean {
  if (one === other) return true;
  if (Array.isArray(one) && Array.isArray(other)) {
    return one.length === other.length && one.every((value, at) => isEqual(value, other[at]));
  }
  if (!isObject(one) || !isObject(other)) return false;
  const keys = new Set([...Object.keys(one), ...Object.keys(other)]);
  return [...keys].every((key) => isEqual(one[key], other[key]));
}

/** A value in one line, as it stands in a definition. */
export function shown(value: Json): string | undefined {
  if (value === undefined || value === null) return undefined;
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** A JSON pointer as people write fields: `/request/headers/X-Id` is `request.headers.X-Id`. */
export function fieldName(pointer: string): string {
  return pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .join('.');
}

/** The fields that differ; the fields of objects are compared one by one. */
export function differences(before: Json, after: Json, path: readonly string[] = []): Change[] {
  if (isEqual(before, after)) return [];
  if (!isObject(before) || !isObject(after)) {
    return [{ field: path.join('.'), before: shown(before), after: shown(after) }];
  }
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return keys.flatMap((key) => differences(before[key], after[key], [...path, key]));
}

/** The merge patch (RFC 7396) that makes one document of another: null removes a field. */
export function mergePatch(from: Record<string, Json>, to: Record<string, Json>): Record<string, Json> {
  const patch: Record<string, Json> = {};
  for (const key of new Set([...Object.keys(from), ...Object.keys(to)])) {
    const [before, after] = [from[key], to[key]];
    if (isEqual(before ?? null, after ?? null)) continue;
    patch[key] = isObject(before) && isObject(after) ? mergePatch(before, after) : (after ?? null);
  }
  return patch;
}
