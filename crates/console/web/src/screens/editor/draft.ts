/** What the form of a job holds: text as it was typed. */

import type { HeaderRow } from '../../parts/HeadersField';
import { offsetOf } from '../../time';
import { DEFAULTS, type Definition, type Numeric, type Schedule, type Status } from './definition';

export interface Draft {
  name: string;
  key: string;
  tags: string[];
  kind: string;
  cron: string;
  timezone: string;
  everyMinutes: string;
  /** Wall time in `timezone`: 2026-12-01T02:30. */
  runAt: string;
  method: string;
  url: string;
  headers: HeaderRow[];
  body: string;
  /** The body is a JSON value, and not a text that may look like one. */
  isJson: boolean;
  successStatuses: string;
  timeoutSeconds: string;
  maxAttempts: string;
  retryOn: string;
  overlap: string;
  /** Empty: no limit. */
  concurrencyLimit: string;
  misfire: string;
  catchUpLimit: string;
  delivery: string;
  state: string;
}

/** The form of a job that is defined so. `zone` is where times are entered that have no zone of their own. */
export function draftOf(definition: Definition, zone: string): Draft {
  const { schedule, request, retry_policy: retry } = definition;
  const timezone = schedule?.timezone ?? zone;
  const isText = request.body === undefined || typeof request.body === 'string';
  return {
    name: definition.name,
    key: definition.key ?? '',
    tags: [...definition.tags],
    kind: definition.kind,
    cron: schedule?.cron ?? '',
    timezone,
    everyMinutes: String(schedule?.every_n_minutes ?? ''),
    runAt: schedule?.run_at ? wallTime(schedule.run_at, timezone) : '',
    method: request.method,
    url: request.url,
    headers: Object.entries(request.headers).map(([name, value]) => ({ name, value })),
    body: isText ? String(request.body ?? '') : JSON.stringify(request.body, null, 2),
    isJson: !isText,
    successStatuses: request.success_statuses.join(', '),
    timeoutSeconds: String(request.timeout_seconds),
    maxAttempts: String(retry.max_attempts),
    retryOn: retry.retry_on_statuses.join(', '),
    overlap: definition.overlap_policy,
    concurrencyLimit: String(definition.concurrency_limit ?? ''),
    misfire: definition.misfire_policy,
    catchUpLimit: String(definition.catch_up_limit),
    delivery: definition.delivery,
    state: definition.state,
  };
}

/** The form of a new job: daily at 09:00 in the zone of the viewer. */
export function newDraft(zone: string): Draft {
  return draftOf({ ...DEFAULTS, schedule: { cron: '0 9 * * *', timezone: zone } }, zone);
}

/**
 * What a form defines. What it cannot express exactly as it was saved (an instant of milliseconds, the spelling of
 * JSON) is taken from `saved` as long as its field is as it was.
 */
export function definitionOfDraft(draft: Draft, saved?: Definition): Definition {
  const before = saved && draftOf(saved, draft.timezone);
  return {
    name: draft.name.trim(),
    key: draft.key.trim() || null,
    tags: [...draft.tags],
    kind: draft.kind,
    schedule:
      before && isSameTime(before, draft) && saved.kind === draft.kind ? saved.schedule : scheduleOf(draft),
    request: {
      method: draft.method,
      url: draft.url.trim(),
      headers: headersOf(draft.headers),
      ...bodyOf(draft, before, saved?.request.body),
      success_statuses: statusesOf(draft.successStatuses),
      timeout_seconds: numeric(draft.timeoutSeconds),
    },
    retry_policy: {
      max_attempts: numeric(draft.maxAttempts),
      retry_on_statuses: statusesOf(draft.retryOn),
    },
    overlap_policy: draft.overlap,
    concurrency_limit: draft.concurrencyLimit === '' ? null : numeric(draft.concurrencyLimit),
    misfire_policy: draft.misfire,
    catch_up_limit: numeric(draft.catchUpLimit),
    delivery: draft.delivery,
    state: draft.state,
  };
}

function isSameTime(before: Draft, draft: Draft): boolean {
  switch (draft.kind) {
    case 'cron':
      return before.cron === draft.cron && before.timezone === draft.timezone;
    case 'recurring':
      return before.everyMinutes === draft.everyMinutes;
    default:
      return before.runAt === draft.runAt && before.timezone === draft.timezone;
  }
}

/** The schedule of a form; null for a job that runs once, now. */
export function scheduleOf(draft: Draft): Schedule | null {
  switch (draft.kind) {
    case 'cron':
      return { cron: draft.cron.trim(), timezone: draft.timezone };
    case 'recurring':
      return { every_n_minutes: numeric(draft.everyMinutes) };
    case 'scheduled':
      return { run_at: instantOf(draft.runAt, draft.timezone) };
    default:
      return null;
  }
}

function headersOf(rows: readonly HeaderRow[]): Record<string, string> {
  const named = rows.filter((row) => row.name.trim() !== '' || row.value.trim() !== '');
  return Object.fromEntries(named.map((row) => [row.name.trim(), row.value]));
}

function bodyOf(draft: Draft, before: Draft | undefined, saved: unknown): { body?: unknown } {
  if (before && before.body === draft.body && before.isJson === draft.isJson) {
    return saved === undefined ? {} : { body: saved };
  }
  if (draft.body === '') return {};
  return { body: draft.isJson ? (parsed(draft.body) ?? draft.body) : draft.body };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** `200, 2xx` as a list of numbers and words. */
export function statusesOf(text: string): Status[] {
  return text
    .split(/[\s,]+/)
    .filter((it) => it !== '')
    .map((it) => (/^\d+$/.test(it) ? Number(it) : it));
}

function numeric(text: string): Numeric {
  const trimmed = text.trim();
  return /^\d{1,15}$/.test(trimmed) ? Number(trimmed) : trimmed;
}

/** An instant as the wall shows it in a zone: the value of a field for date and time. */
export function wallTime(at: string, zone: string): string {
  const instant = Date.parse(at);
  return Number.isNaN(instant) ? '' : new Date(instant + offsetMs(instant, zone)).toISOString().slice(0, 16);
}

/**
 * The instant of a wall time in a zone, with its offset. The preview shows what the server makes of it. An
 * invalid time stays as it is, and the API refuses it.
 */
export function instantOf(wall: string, zone: string): string {
  const utc = Date.parse(`${wall}Z`);
  if (Number.isNaN(utc)) return wall;
  // The offset before a change of the clock may not be that of the time that is meant: the second guess is.
  const guess = utc - offsetMs(utc, zone);
  const at = utc - offsetMs(guess, zone);
  return `${wall}:00${offsetOf(at, zone).replace('UTC', '')}`;
}

function offsetMs(at: number, zone: string): number {
  const [, sign, hours, minutes] = /([+-])(\d\d):(\d\d)/.exec(offsetOf(at, zone)) ?? [];
  return (sign === '-' ? -1 : 1) * (Number(hours ?? 0) * 60 + Number(minutes ?? 0)) * 60_000;
}
