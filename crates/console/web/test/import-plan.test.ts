import { describe, expect, it } from 'vitest';
import type { JobInput } from '../src/screens/editor/definition';
import { planOf, requestToTry, timesOf, type When } from '../src/screens/import/plan';
import { ownJobs, type Read } from '../src/screens/import/read';

const when: When = {
  preset: 'daily',
  time: '07:05',
  runAt: '2027-01-01T09:00',
  cron: '1 2 3 4 *',
  zone: 'Europe/Berlin',
};

const fromCurl: Read = {
  format: 'curl',
  entries: [
    {
      key: 'report',
      line: 1,
      inWords: 'once, immediately',
      nextRunAt: null,
      credentials: [{ pointer: '/request/headers/Authorization', suggested_name: 'report-auth' }],
      job: {
        name: 'report',
        kind: 'one_time',
        state: 'draft',
        request: {
          url: 'https://a.example',
          headers: { Authorization: 'Bearer secret://report-auth', A: 'b' },
        },
      },
    },
  ],
  findings: [],
  secrets: [{ name: 'report-auth', value: 's3cr3t' }],
};

const withState = (state: JobInput['state']): Read => ({
  ...fromCurl,
  secrets: [],
  entries: [
    {
      key: 'a',
      line: 1,
      inWords: '',
      nextRunAt: null,
      credentials: [],
      job: {
        name: 'a',
        kind: 'cron',
        schedule: { cron: '0 2 * * *' },
        request: { url: 'https://a.example' },
        ...(state && { state }),
      },
    },
  ],
});

const active = { secrets: {}, when, state: 'active' as const };

describe('what is created', () => {
  it('is a secret, and a job that refers to it at the chosen times', () => {
    expect(planOf(fromCurl, active)).toEqual({
      secrets: [{ name: 'report-auth', value: 's3cr3t' }],
      jobs: [
        {
          name: 'report',
          kind: 'cron',
          schedule: { cron: '5 7 * * *', timezone: 'Europe/Berlin' },
          request: {
            url: 'https://a.example',
            headers: { Authorization: 'Bearer secret://report-auth', A: 'b' },
          },
        },
      ],
    });
  });

  it('has the name of the secret that was chosen', () => {
    const plan = planOf(fromCurl, {
      ...active,
      secrets: { 'report-auth': { mode: 'create', name: 'mine' } },
    });
    expect(plan.secrets).toEqual([{ name: 'mine', value: 's3cr3t' }]);
    expect(plan.jobs[0]?.request.headers?.Authorization).toBe('Bearer secret://mine');
  });

  it('creates no secret that exists, or that is kept in the job', () => {
    const existing = planOf(fromCurl, {
      ...active,
      secrets: { 'report-auth': { mode: 'existing', name: 'old' } },
    });
    expect(existing.secrets).toEqual([]);
    expect(existing.jobs[0]?.request.headers?.Authorization).toBe('Bearer secret://old');
    const kept = planOf(fromCurl, {
      ...active,
      secrets: { 'report-auth': { mode: 'keep', name: 'report-auth' } },
    });
    expect(kept.secrets).toEqual([]);
    expect(kept.jobs[0]?.request.headers?.Authorization).toBe('Bearer s3cr3t');
  });

  it('leaves schedules alone, and what is paused in the source', () => {
    expect(planOf(withState(undefined), active).jobs[0]).toEqual(withState(undefined).entries[0]?.job);
    const stateOf = (source: JobInput['state'], state: 'active' | 'paused' | 'draft') =>
      planOf(withState(source), { ...active, state }).jobs[0]?.state;
    expect(stateOf(undefined, 'paused')).toBe('paused');
    expect(stateOf('paused', 'active')).toBe('paused');
    expect(stateOf('draft', 'paused')).toBe('draft');
    expect(stateOf('paused', 'draft')).toBe('draft');
  });

  it('may run once, at an instant or now', () => {
    const once = planOf(fromCurl, { ...active, when: { ...when, preset: 'once' } }).jobs[0];
    expect(once).toMatchObject({ kind: 'scheduled', schedule: { run_at: '2027-01-01T09:00:00+01:00' } });
    const now = planOf(fromCurl, { ...active, when: { ...when, preset: 'now' } }).jobs[0];
    expect(now?.kind).toBe('one_time');
    expect(now).not.toHaveProperty('schedule');
    expect(now).not.toHaveProperty('state');
  });

  it('changes nothing of what was read', () => {
    const before = structuredClone(fromCurl);
    planOf(fromCurl, { ...active, secrets: { 'report-auth': { mode: 'keep', name: 'x' } } });
    expect(fromCurl).toEqual(before);
  });
});

describe('a try', () => {
  it('needs no secret to exist', () => {
    const [entry] = fromCurl.entries;
    if (!entry) throw new Error('There is one.');
    expect(requestToTry(entry, fromCurl, {}).headers?.Authorization).toBe('Bearer s3cr3t');
    const existing = { 'report-auth': { mode: 'existing' as const, name: 'old' } };
    expect(requestToTry(entry, fromCurl, existing).headers?.Authorization).toBe('Bearer secret://old');
  });
});

describe('times', () => {
  it.each([
    ['five', '*/5 * * * *'],
    ['hourly', '0 * * * *'],
    ['daily', '5 7 * * *'],
    ['weekdays', '5 7 * * 1-5'],
    ['cron', '1 2 3 4 *'],
  ] as const)('%s', (preset, cron) => {
    expect(timesOf({ ...when, preset })).toMatchObject({ kind: 'cron', cron, timezone: 'Europe/Berlin' });
  });
});

describe('jobs of TrigRun', () => {
  const job = { name: 'a', request: { url: 'https://a.example' } };

  it('are read alone, as a list, and as a file for apply', () => {
    const names = (json: unknown) => ownJobs(JSON.stringify(json))?.entries.map((it) => it.job.name);
    expect(names(job)).toEqual(['a']);
    expect(names([job, { ...job, name: 'b' }])).toEqual(['a', 'b']);
    expect(names({ items: [job] })).toEqual(['a']);
    expect(names({ stack: 's', jobs: { one: { request: job.request }, two: job } })).toEqual(['one', 'a']);
  });

  it('lose what the server decides', () => {
    const read = ownJobs(
      JSON.stringify({ ...job, id: 'job_1', version: 3, state: 'completed', health: {}, key: 'k' }),
    );
    expect(read?.entries[0]?.job).toEqual(job);
  });

  it.each([
    '',
    'curl https://a.example',
    '{"a"',
    '{}',
    '[]',
    '{"jobs":{"a":1}}',
    '[{"request":{}}]',
    '{"jobs":[]}',
  ])('are not %j', (text) => {
    expect(ownJobs(text)).toBeNull();
  });
});
