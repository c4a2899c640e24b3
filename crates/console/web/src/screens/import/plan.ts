/** What is created of what was read: secrets first, then jobs. */

import type { components } from '../../schema';
import type { JobInput, Schedule } from '../editor/definition';
import { type Draft, instantOf } from '../editor/draft';
import type { Entry, Read } from './read';

type SecretInput = components['schemas']['SecretInput'];

/** What becomes of a credential. */
export interface SecretChoice {
  mode: 'create' | 'existing' | 'keep';
  name: string;
}

/** By the names that the server suggests. */
export type SecretChoices = Readonly<Record<string, SecretChoice>>;

export type Preset = 'five' | 'hourly' | 'daily' | 'weekdays' | 'once' | 'now' | 'cron';

export interface When {
  preset: Preset;
  /** 07:00, for daily and weekdays. */
  time: string;
  /** Wall time in `zone`, for once. */
  runAt: string;
  cron: string;
  zone: string;
}

export function choiceOf(choices: SecretChoices, suggested: string): SecretChoice {
  return choices[suggested] ?? { mode: 'create', name: suggested };
}

/** The schedule of a choice as a form has it, for the preview. */
export function timesOf(when: When): Pick<Draft, 'kind' | 'cron' | 'timezone' | 'everyMinutes' | 'runAt'> {
  const [hour = '', minute = ''] = when.time.split(':');
  const at = `${Number(minute)} ${Number(hour)}`;
  const crons: Partial<Record<Preset, string>> = {
    five: '*/5 * * * *',
    hourly: '0 * * * *',
    daily: `${at} * * *`,
    weekdays: `${at} * * 1-5`,
    cron: when.cron,
  };
  const kind = when.preset === 'once' ? 'scheduled' : when.preset === 'now' ? 'one_time' : 'cron';
  return { kind, cron: crons[when.preset] ?? '', timezone: when.zone, everyMinutes: '', runAt: when.runAt };
}

/** Whether the source says nothing of when a job runs. */
export function hasNoSchedule(job: JobInput): boolean {
  return !job.schedule && (job.kind === undefined || job.kind === null || job.kind === 'one_time');
}

export interface Plan {
  secrets: SecretInput[];
  jobs: JobInput[];
}

export interface Choices {
  secrets: SecretChoices;
  when: When;
  state: 'active' | 'paused' | 'draft';
}

/** The secrets to create, and the jobs that refer to them. */
export function planOf(read: Read, choices: Choices): Plan {
  const created = read.secrets.map(({ name, value }) => ({ ...choiceOf(choices.secrets, name), value }));
  return {
    secrets: uniqueByName(created.filter((it) => it.mode === 'create')),
    jobs: read.entries.map((entry) => jobOf(entry, read, choices)),
  };
}

function uniqueByName(secrets: readonly { name: string; value: string }[]): SecretInput[] {
  return [...new Map(secrets.map(({ name, value }) => [name, { name, value }])).values()];
}

function jobOf(entry: Entry, read: Read, choices: Choices): JobInput {
  const job: JobInput = { ...entry.job, request: withSecrets(entry, read, choices.secrets) };
  if (hasNoSchedule(job)) {
    delete job.state;
    Object.assign(job, scheduled(choices.when));
  }
  // What is paused or a draft in the source has a reason.
  if (
    choices.state !== 'active' &&
    (job.state === undefined || job.state === null || choices.state === 'draft')
  ) {
    job.state = choices.state;
  }
  return job;
}

function scheduled(when: When): { kind: JobInput['kind']; schedule?: JobInput['schedule'] } {
  const times = timesOf(when);
  const schedules: Record<string, Schedule> = {
    cron: { cron: times.cron.trim(), timezone: times.timezone },
    scheduled: { run_at: instantOf(times.runAt, times.timezone) },
  };
  const schedule = schedules[times.kind];
  return {
    kind: times.kind as JobInput['kind'],
    ...(schedule && { schedule: schedule as NonNullable<JobInput['schedule']> }),
  };
}

/** The request with the chosen names of its secrets, or with the credentials themselves. */
function withSecrets({ job, credentials }: Entry, read: Read, choices: SecretChoices): JobInput['request'] {
  const headers = { ...job.request.headers };
  for (const { pointer, suggested_name: suggested } of credentials) {
    const name = headerOf(pointer);
    const before = headers[name];
    if (before === undefined) continue;
    const choice = choiceOf(choices, suggested);
    const value = read.secrets.find((it) => it.name === suggested)?.value ?? '';
    headers[name] = before
      .split(`secret://${suggested}`)
      .join(choice.mode === 'keep' ? value : `secret://${choice.name}`);
  }
  return Object.keys(headers).length > 0 ? { ...job.request, headers } : job.request;
}

/** The header that a pointer is about. */
export function headerOf(pointer: string): string {
  return pointer.replace('/request/headers/', '').replaceAll('~1', '/').replaceAll('~0', '~');
}

/** The request with all credentials written out, to try it before a secret exists. */
export function requestToTry(entry: Entry, read: Read, choices: SecretChoices): JobInput['request'] {
  const written = Object.fromEntries(
    read.secrets
      .filter(({ name }) => choiceOf(choices, name).mode !== 'existing')
      .map(({ name }) => [name, { mode: 'keep' as const, name }]),
  );
  return withSecrets(entry, read, { ...choices, ...written });
}
