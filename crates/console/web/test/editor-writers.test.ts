import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createCommand, updateCommand } from '../src/screens/editor/cli';
import { curlOf } from '../src/screens/editor/curl';
import { DEFAULTS, type Definition, inputOf } from '../src/screens/editor/definition';
import { command, quoted } from '../src/screens/editor/shell';
import { suggestedKey, yamlOf } from '../src/screens/editor/yaml';

const job: Definition = {
  ...DEFAULTS,
  name: "Ada's report",
  key: 'report',
  tags: ['money', 'a b'],
  schedule: { cron: '30 2 * * *', timezone: 'Europe/Berlin' },
  request: {
    ...DEFAULTS.request,
    method: 'POST',
    url: 'https://api.example.com/report?day={{timestamp}}&x=$HOME',
    headers: { Authorization: 'Bearer secret://report', 'X-Quote': `it's "so"` },
    body: { day: "it's" },
    timeout_seconds: 60,
    success_statuses: ['2xx'],
  },
  retry_policy: { max_attempts: 5, retry_on_statuses: [429, '5xx'] },
  concurrency_limit: 1,
  overlap_policy: 'skip',
};

/** The words that a shell makes of a command. */
function wordsOf(text: string): string[] {
  const [, ...options] = text.split(/(?<=^(?:curl|trigrun)) /);
  const script = `show() { for word; do printf '%s\\0' "$word"; done; }; show ${options.join(' ')}`;
  return execFileSync('sh', ['-c', script], { env: { TRIGRUN_TOKEN: 'T' } })
    .toString()
    .split('\0')
    .slice(0, -1);
}

describe('quoting', () => {
  // One shell for all of them: a process for each would be slow on a busy machine.
  it('is undone by a shell, whatever the text', () => {
    const texts = fc.sample(fc.string({ unit: 'grapheme' }), 400).map((text) => text.replaceAll('\0', ''));
    const all = [...texts, "'", "it's", '\\', '$HOME', '`id`', '!', '-n', '', '\n', 'a b'];
    expect(wordsOf(command('trigrun', all.map(quoted)))).toEqual(all);
  });
});

describe('curl', () => {
  it('sends the same body with a token of the environment', () => {
    const words = wordsOf(
      curlOf('https://t.example', {
        method: 'PATCH',
        path: '/v1/jobs/job_1',
        body: inputOf(job),
        version: 5,
      }),
    );
    expect(words.slice(0, -1)).toEqual([
      '-X',
      'PATCH',
      'https://t.example/v1/jobs/job_1',
      '-H',
      'Authorization: Bearer T',
      '-H',
      'Content-Type: application/json',
      '-H',
      'If-Match: "5"',
      '-d',
    ]);
    expect(JSON.parse(words.at(-1) ?? '')).toEqual(inputOf(job));
  });
});

describe('the command line', () => {
  it('creates a job by options', () => {
    expect(wordsOf(createCommand(job))).toEqual([
      ...['jobs', 'create', 'report', '--name', "Ada's report", '--tag', 'money', '--tag', 'a b'],
      ...['--cron', '30 2 * * *', '--tz', 'Europe/Berlin', '--url', job.request.url, '--method', 'POST'],
      ...['-H', 'Authorization: Bearer secret://report', '-H', `X-Quote: it's "so"`],
      ...[
        '-d',
        `{"day":"it's"}`,
        '--success',
        '2xx',
        '--timeout',
        '60s',
        '--attempts',
        '5',
        '--retry-on',
        '429,5xx',
      ],
      ...['--overlap', 'skip', '--concurrency', '1'],
    ]);
  });

  it('says the kinds', () => {
    const of = (change: Partial<Definition>) => createCommand({ ...DEFAULTS, name: 'a', ...change });
    expect(of({ kind: 'one_time', schedule: null })).toContain('--now');
    expect(of({ kind: 'recurring', schedule: { every_n_minutes: 15 } })).toContain('--every 15m');
    expect(of({ kind: 'scheduled', schedule: { run_at: '2027-01-01T00:00:00Z' } })).toContain(
      '--at 2027-01-01T00:00:00Z',
    );
    expect(of({ state: 'paused' })).toContain('--paused');
  });

  it('uses a file for what an option would change: text that is JSON, or a name of a file', () => {
    for (const body of ['{"a": 1}', '@secret', '-', 7]) {
      const text = createCommand({ ...job, request: { ...job.request, body } });
      const [first, ...rest] = text.split('\n');
      expect(first).toBe("trigrun jobs create report -f - <<'JSON'");
      expect(JSON.parse(rest.slice(0, -1).join('\n')).request.body).toEqual(body);
    }
  });

  it('changes only what changed', () => {
    const patch = {
      name: 'B',
      schedule: { cron: null, timezone: null, every_n_minutes: 5 },
      kind: 'recurring' as const,
    };
    expect(wordsOf(updateCommand('job_1', patch, 3))).toEqual([
      ...['jobs', 'update', 'job_1', '--if-version', '3', '--name', 'B', '--every', '5m'],
    ]);
    expect(
      wordsOf(updateCommand('job_1', { concurrency_limit: null, request: { headers: { 'X-A': null } } }, 3)),
    ).toEqual([
      ...['jobs', 'update', 'job_1', '--if-version', '3', '--unset', 'concurrency_limit,request.headers.X-A'],
    ]);
    expect(updateCommand('job_1', { state: 'active' }, 3)).toContain("--if-version 3 -f - <<'JSON'");
  });
});

describe('YAML', () => {
  it('is a file that apply takes', () => {
    expect(
      yamlOf('billing', [{ key: 'report', definition: { ...job, retry_policy: DEFAULTS.retry_policy } }]),
    ).toBe(
      `stack: billing
jobs:
  report:
    name: Ada's report
    tags: [money, a b]
    schedule:
      cron: "30 2 * * *"
      timezone: Europe/Berlin
    request:
      url: "https://api.example.com/report?day={{timestamp}}&x=$HOME"
      method: POST
      headers:
        Authorization: Bearer secret://report
        X-Quote: "it's \\"so\\""
      body:
        day: it's
      success_statuses: ["2xx"]
      timeout_seconds: 60
    overlap_policy: skip
    concurrency_limit: 1
`,
    );
  });

  it('quotes what a reader would take for something else', () => {
    const named = (name: string) =>
      yamlOf('s', [{ key: 'k', definition: { ...DEFAULTS, name } }]).split('\n')[3];
    expect(named('no')).toBe('    name: "no"');
    expect(named('a: b')).toBe('    name: "a: b"');
    expect(named('12')).toBe('    name: "12"');
    expect(named('a #b')).toBe('    name: "a #b"');
    expect(named('two\nlines')).toBe('    name: "two\\nlines"');
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is what a file would take for a variable
    expect(named('${A} costs $5')).toBe('    name: "$${A} costs $$5"');
    expect(named('k')).toBe('    request:');
  });

  it('suggests keys', () => {
    expect(suggestedKey('GET example.com/Sync – now!')).toBe('get-example.com-sync-now');
    expect(suggestedKey('…')).toBe('job');
    expect(suggestedKey('a'.repeat(200))).toHaveLength(100);
  });
});
