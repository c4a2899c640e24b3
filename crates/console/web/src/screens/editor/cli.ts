/** Jobs as commands of `trigrun`. */

import type { JobPatch } from '../../api/queries/jobs';
import { type Definition, inputOf } from './definition';
import { command, quoted } from './shell';

/** The options of a field, by its path. A field without one is only in a file. */
const OPTIONS: Record<string, string> = {
  'request.url': '--url',
  'request.method': '--method',
  'request.timeout_seconds': '--timeout',
  'request.success_statuses': '--success',
  'schedule.cron': '--cron',
  'schedule.timezone': '--tz',
  'schedule.every_n_minutes': '--every',
  'schedule.run_at': '--at',
  misfire_policy: '--misfire',
  catch_up_limit: '--catch-up-limit',
  'retry_policy.max_attempts': '--attempts',
  'retry_policy.retry_on_statuses': '--retry-on',
  concurrency_limit: '--concurrency',
  overlap_policy: '--overlap',
  delivery: '--delivery',
  name: '--name',
  stack: '--stack',
  key: '--key',
};
const UNITS: Record<string, string> = { '--timeout': 's', '--every': 'm' };

interface Options {
  words: string[];
  unset: string[];
  /** Something that no option can say. */
  isIncomplete: boolean;
}

/** The command that creates a job. */
export function createCommand(definition: Definition): string {
  const { key, ...input } = inputOf(definition);
  const start = ['trigrun jobs create', ...(key ? [quoted(key)] : [])].join(' ');
  const options = optionsOf(input);
  if (options.isIncomplete) return fromFile(start, input);
  return command(start, options.words);
}

/** The command that changes a job, if it still has the version. */
export function updateCommand(id: string, patch: JobPatch, version: number): string {
  const start = `trigrun jobs update ${quoted(id)}`;
  const options = optionsOf(patch);
  const condition = `--if-version ${version}`;
  if (options.isIncomplete) return fromFile(`${start} ${condition}`, patch);
  const unset = options.unset.length > 0 ? [`--unset ${quoted(options.unset.join(','))}`] : [];
  return command(start, [condition, ...options.words, ...unset]);
}

// A here-document takes the text as it is.
function fromFile(start: string, body: unknown): string {
  return `${start} -f - <<'JSON'\n${JSON.stringify(body, null, 2)}\nJSON`;
}

function optionsOf(body: object): Options {
  const options: Options = { words: [], unset: [], isIncomplete: false };
  addFields(body, [], options);
  return options;
}

function addFields(value: object, path: string[], options: Options): void {
  for (const [name, inner] of Object.entries(value)) addField([...path, name], inner, options);
}

function addField(path: string[], value: unknown, options: Options): void {
  const name = path.join('.');
  const option = OPTIONS[name];
  if (value === undefined) return;
  if (name === 'kind') addKind(value, options);
  else if (value === null) addUnset(path, options);
  else if (name === 'request.body') addBody(value, options);
  else if (name === 'state') addState(value, options);
  else if (name === 'tags') addTags(value as string[], options);
  else if (path.length === 3 && path[1] === 'headers')
    options.words.push(`-H ${quoted(`${path[2]}: ${value}`)}`);
  else if (option) options.words.push(`${option} ${quoted(textOf(value) + (UNITS[option] ?? ''))}`);
  else if (typeof value === 'object' && !Array.isArray(value)) addFields(value, path, options);
  else options.isIncomplete = true;
  if (Array.isArray(value) && value.length === 0) options.isIncomplete = true;
}

// Every other kind follows from the schedule.
function addKind(kind: unknown, options: Options): void {
  if (kind === 'one_time') options.words.push('--now');
}

function textOf(value: unknown): string {
  return Array.isArray(value) ? value.join(',') : String(value);
}

// A schedule that is replaced needs no word about the fields of the old one.
function addUnset(path: string[], options: Options): void {
  if (path[0] === 'schedule') return;
  if (path.some((part) => part.includes(',') || part.includes('.'))) options.isIncomplete = true;
  options.unset.push(path.join('.'));
}

function addBody(value: unknown, options: Options): void {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  const isJson = /^\s*[[{]/.test(text) && isValidJson(text);
  // @file and - mean something else, and a text that is JSON would become JSON.
  if (text.startsWith('@') || text === '-' || isJson === (typeof value === 'string'))
    options.isIncomplete = true;
  options.words.push(`-d ${quoted(text)}`);
}

function isValidJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function addState(value: unknown, options: Options): void {
  if (value === 'paused' || value === 'draft') options.words.push(`--${value}`);
  else options.isIncomplete = true;
}

function addTags(tags: readonly string[], options: Options): void {
  for (const tag of tags) options.words.push(`--tag ${quoted(tag)}`);
}
