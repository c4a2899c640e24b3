/** Jobs as a file for `trigrun apply`: YAML 1.2, in which a text is plain only if no reader takes it for something else. */

import { type Definition, inputOf } from './definition';

/** A file with jobs by their keys. */
export function yamlOf(stack: string, jobs: readonly { key: string; definition: Definition }[]): string {
  const entries = jobs.map(({ key, definition }) => {
    // The kind follows from the schedule, and the key is said already.
    const { kind: _, key: __, ...job } = inputOf(definition);
    return [key, job.name === key ? { ...job, name: undefined } : job];
  });
  const file = { stack, jobs: Object.fromEntries(entries) };
  return `${write(file, 0).trimStart()}\n`;
}

/** A key for a job that has none: its name in the characters that a key may have. */
export function suggestedKey(name: string): string {
  const words = name
    .toLowerCase()
    .replace(/[^a-z0-9._]+/g, '-')
    .replace(/^[^a-z0-9]+|-+$/g, '');
  return words.slice(0, MAX_KEY) || 'job';
}

const MAX_KEY = 100;

function write(value: object, indent: number): string {
  return Object.entries(value)
    .filter(([, inner]) => inner !== undefined)
    .map(([name, inner]) => `\n${' '.repeat(indent)}${scalar(name)}:${nested(inner, indent + 2)}`)
    .join('');
}

function nested(value: unknown, indent: number): string {
  if (Array.isArray(value)) return ` [${value.map(flow).join(', ')}]`;
  if (typeof value === 'object' && value !== null && Object.keys(value).length > 0)
    return write(value, indent);
  return ` ${flow(value)}`;
}

function flow(value: unknown): string {
  return typeof value === 'string' ? scalar(escaped(value)) : JSON.stringify(value);
}

// `${NAME}` in a file is a variable.
function escaped(text: string): string {
  return text.includes('${') || text.includes('$$') ? text.replaceAll('$', '$$$$') : text;
}

const RESERVED = ['null', 'true', 'false', 'yes', 'no', 'on', 'off', 'y', 'n'];

function scalar(text: string): string {
  const isPlain =
    /^[A-Za-z/_][A-Za-z0-9_\-./ @+=~:()'%$]*$/.test(text) &&
    !RESERVED.includes(text.toLowerCase()) &&
    !/: |[: ]$/.test(text);
  return isPlain ? text : JSON.stringify(text);
}
