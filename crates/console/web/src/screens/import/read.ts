/** What a pasted text became: the server's conversion, or jobs of TrigRun, which need none. */

import type { Conversion, Converted } from '../../api/queries/convert';
import type { JobInput } from '../editor/definition';

export interface Read {
  /** A format of the server, or `job`. */
  format: string;
  entries: readonly Entry[];
  findings: Conversion['findings'];
  secrets: Conversion['secrets'];
}

export interface Entry {
  key: string;
  line: number | null;
  job: JobInput;
  inWords: string;
  nextRunAt: string | null;
  credentials: Converted['credentials'];
}

export function readOf(conversion: Conversion): Read {
  const entries = Object.entries(conversion.jobs).map(([key, it]) => ({
    key,
    line: it.line,
    job: it.job as unknown as JobInput,
    inWords: it.schedule_in_words,
    nextRunAt: it.next_run_at,
    credentials: it.credentials,
  }));
  return { format: conversion.format, entries, findings: conversion.findings, secrets: conversion.secrets };
}

/** Jobs as the API takes them: one, a list, `items` of a batch, or a file for apply. Null for anything else. */
export function ownJobs(text: string): Read | null {
  if (!/^\s*[[{]/.test(text)) return null;
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return null;
  }
  const jobs = jobsIn(json);
  if (jobs === null || jobs.length === 0) return null;
  const entries = jobs.map(({ key, job }) => ({
    key,
    line: null,
    job: writable(key, job),
    inWords: '',
    nextRunAt: null,
    credentials: [],
  }));
  return { format: 'job', entries, findings: [], secrets: [] };
}

type Json = Record<string, unknown>;

function jobsIn(json: unknown): { key: string; job: Json }[] | null {
  if (isJob(json)) return [{ key: String(json.key ?? json.name ?? 'job'), job: json }];
  const list = Array.isArray(json) ? json : isObject(json) ? (json.items ?? json.data) : null;
  if (Array.isArray(list)) {
    return list.every(isJob)
      ? list.map((job, index) => ({ key: String(job.key ?? `job-${index + 1}`), job }))
      : null;
  }
  if (isObject(json) && isObject(json.jobs)) {
    const entries = Object.entries(json.jobs);
    return entries.every(([, job]) => isJob(job))
      ? entries.map(([key, job]) => ({ key, job: job as Json }))
      : null;
  }
  return null;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isJob(value: unknown): value is Json {
  return isObject(value) && isObject(value.request) && typeof value.request.url === 'string';
}

const WRITABLE = [
  'name',
  'tags',
  'kind',
  'schedule',
  'request',
  'retry_policy',
  'overlap_policy',
  'concurrency_limit',
  'misfire_policy',
  'catch_up_limit',
  'delivery',
  'state',
];

// A response of the API has what the server decides, too: id, version, health.
function writable(key: string, job: Json): JobInput {
  const kept = WRITABLE.filter((name) => job[name] !== undefined && job[name] !== null);
  const input = Object.fromEntries(kept.map((name) => [name, job[name]]));
  if (input.state === 'completed') delete input.state;
  return { name: key, ...input } as unknown as JobInput;
}
