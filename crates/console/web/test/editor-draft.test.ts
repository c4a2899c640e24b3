import { describe, expect, it } from 'vitest';
import {
  DEFAULTS,
  type Definition,
  definitionOf,
  inputOf,
  type JobInput,
} from '../src/screens/editor/definition';
import {
  definitionOfDraft,
  draftOf,
  instantOf,
  newDraft,
  statusesOf,
  wallTime,
} from '../src/screens/editor/draft';

const ZONE = 'Europe/Berlin';

function definition(change: Partial<Definition> = {}): Definition {
  return {
    ...DEFAULTS,
    name: 'Close books',
    schedule: { cron: '0 2 * * *', timezone: ZONE },
    request: { ...DEFAULTS.request, url: 'https://api.example.com/close' },
    ...change,
  };
}

describe('a form', () => {
  it.each<[string, Partial<Definition>]>([
    ['cron', {}],
    ['recurring', { kind: 'recurring', schedule: { every_n_minutes: 15 } }],
    ['an instant of milliseconds', { kind: 'scheduled', schedule: { run_at: '2027-01-01T00:00:00.123Z' } }],
    ['one_time', { kind: 'one_time', schedule: null }],
    ['a limit', { concurrency_limit: 3, overlap_policy: 'skip' }],
    [
      'headers',
      { request: { ...DEFAULTS.request, url: 'https://a.example', headers: { B: '1', A: 'secret://x' } } },
    ],
    ['a text as its body', { request: { ...DEFAULTS.request, url: 'https://a.example', body: '{"a": 1}' } }],
    [
      'JSON as its body',
      { request: { ...DEFAULTS.request, url: 'https://a.example', body: { a: [1, null] } } },
    ],
    ['an empty text as its body', { request: { ...DEFAULTS.request, url: 'https://a.example', body: '' } }],
    ['a body of zero', { request: { ...DEFAULTS.request, url: 'https://a.example', body: 0 } }],
  ])('leaves a definition as it is: %s', (_, change) => {
    const saved = definition(change);
    expect(definitionOfDraft(draftOf(saved, ZONE), saved)).toEqual(saved);
  });

  it('keeps text that is not a number, so that the API can say so', () => {
    const draft = { ...newDraft(ZONE), timeoutSeconds: 'soon', catchUpLimit: ' 7 ' };
    const made = definitionOfDraft(draft);
    expect(made.request.timeout_seconds).toBe('soon');
    expect(made.catch_up_limit).toBe(7);
  });

  it('sends JSON as JSON, and other text as text', () => {
    const draft = { ...newDraft(ZONE), isJson: true };
    expect(definitionOfDraft({ ...draft, body: '{"a":1}' }).request.body).toEqual({ a: 1 });
    expect(definitionOfDraft({ ...draft, body: '{"a":' }).request.body).toBe('{"a":');
    expect(definitionOfDraft({ ...draft, body: '{"a":1}', isJson: false }).request.body).toBe('{"a":1}');
    expect('body' in definitionOfDraft(draft).request).toBe(false);
  });

  it('drops rows without a header', () => {
    const headers = [
      { name: ' X-A ', value: '1' },
      { name: '', value: '' },
    ];
    expect(definitionOfDraft({ ...newDraft(ZONE), headers }).request.headers).toEqual({ 'X-A': '1' });
  });

  it('reads statuses and ranges', () => {
    expect(statusesOf('200, 2xx  404,protocol_error,')).toEqual([200, '2xx', 404, 'protocol_error']);
  });
});

describe('wall time', () => {
  it.each([
    ['2026-12-01T02:30', ZONE, '2026-12-01T02:30:00+01:00'],
    ['2027-07-01T09:00', ZONE, '2027-07-01T09:00:00+02:00'],
    ['2027-03-28T01:59', ZONE, '2027-03-28T01:59:00+01:00'],
    ['2027-03-28T03:00', ZONE, '2027-03-28T03:00:00+02:00'],
    ['2026-12-01T02:30', 'Asia/Kathmandu', '2026-12-01T02:30:00+05:45'],
    ['2026-12-01T02:30', 'America/New_York', '2026-12-01T02:30:00-05:00'],
    ['2026-12-01T02:30', 'UTC', '2026-12-01T02:30:00+00:00'],
  ])('%s in %s has its offset, and comes back', (wall, zone, at) => {
    expect(instantOf(wall, zone)).toBe(at);
    expect(wallTime(at, zone)).toBe(wall);
  });

  it('leaves an invalid time to the API', () => {
    expect(instantOf('', ZONE)).toBe('');
    expect(wallTime('soon', ZONE)).toBe('');
  });
});

describe('the body of a job', () => {
  it('has no defaults', () => {
    expect(inputOf(definition())).toEqual({
      name: 'Close books',
      kind: 'cron',
      schedule: { cron: '0 2 * * *', timezone: ZONE },
      request: { url: 'https://api.example.com/close' },
    });
  });

  it('is understood as it was written', () => {
    const input: JobInput = {
      name: 'a',
      key: 'a-key',
      tags: ['x'],
      kind: 'recurring',
      schedule: { every_n_minutes: 5 },
      request: {
        url: 'https://a.example',
        method: 'POST',
        headers: { A: 'b' },
        body: 'x',
        success_statuses: ['2xx'],
      },
      retry_policy: { max_attempts: 1 },
      state: 'paused',
    };
    expect(inputOf(definitionOf(input))).toEqual(input);
  });

  it('finds the kind in its schedule', () => {
    const of = (schedule: JobInput['schedule']) =>
      definitionOf({ name: 'a', request: { url: 'https://a.example' }, schedule } as JobInput).kind;
    expect(of({ cron: '@daily' })).toBe('cron');
    expect(of({ every_n_minutes: 5 })).toBe('recurring');
    expect(of({ run_at: '2027-01-01T00:00:00Z' })).toBe('scheduled');
    expect(of(null)).toBe('one_time');
  });
});
