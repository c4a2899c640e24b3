/** Which field of the form shows what the API says of a JSON pointer. */

import type { FieldProblem } from '../../api/problem';
import type { Draft } from './draft';

const POINTERS: Partial<Record<keyof Draft, string>> = {
  name: '/name',
  key: '/key',
  tags: '/tags',
  kind: '/kind',
  cron: '/schedule/cron',
  timezone: '/schedule/timezone',
  everyMinutes: '/schedule/every_n_minutes',
  runAt: '/schedule/run_at',
  method: '/request/method',
  url: '/request/url',
  headers: '/request/headers',
  body: '/request/body',
  successStatuses: '/request/success_statuses',
  timeoutSeconds: '/request/timeout_seconds',
  maxAttempts: '/retry_policy/max_attempts',
  retryOn: '/retry_policy/retry_on_statuses',
  concurrencyLimit: '/concurrency_limit',
  catchUpLimit: '/catch_up_limit',
};

/** Errors by the pointer of the field that shows them, and those that none shows. */
export interface Errors {
  at: Readonly<Record<string, string>>;
  rest: readonly FieldProblem[];
}

export const NO_ERRORS: Errors = { at: {}, rest: [] };

/** The field that shows what is at a pointer: `/tags/3` belongs to `/tags`, a header to its own row. */
function ownerOf(pointer: string): string | undefined {
  if (pointer.startsWith('/request/headers/')) return pointer;
  return Object.values(POINTERS).find((it) => pointer === it || pointer.startsWith(`${it}/`));
}

export function errorsOf(problems: readonly FieldProblem[]): Errors {
  const at: Record<string, string> = {};
  const rest: FieldProblem[] = [];
  for (const problem of problems) {
    const owner = ownerOf(problem.pointer);
    if (owner === undefined) rest.push(problem);
    else at[owner] ??= sentenceOf(problem);
  }
  return { at, rest };
}

export function sentenceOf({ detail, hint }: FieldProblem): string {
  return hint ? `${detail} ${hint}` : detail;
}

/** Errors without those of fields that were changed: they are about what is no longer there. */
export function withoutErrorsOf(errors: Errors, change: Partial<Draft>): Errors {
  const changed = Object.keys(change).map((key) => POINTERS[key as keyof Draft]);
  const at = Object.entries(errors.at).filter(
    ([pointer]) =>
      !changed.some((it) => it !== undefined && (pointer === it || pointer.startsWith(`${it}/`))),
  );
  return at.length === Object.keys(errors.at).length ? errors : { ...errors, at: Object.fromEntries(at) };
}

/** The tabs of the request, and the one that shows a pointer. */
export type RequestTab = 'headers' | 'body' | 'success' | 'timeout';

export function tabOf(pointer: string): RequestTab | null {
  if (pointer.startsWith('/request/headers')) return 'headers';
  if (pointer === '/request/body') return 'body';
  if (pointer === '/request/success_statuses') return 'success';
  return pointer === '/request/timeout_seconds' ? 'timeout' : null;
}
