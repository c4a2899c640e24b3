import { describe, expect, it } from 'vitest';
import type { Run } from '../src/api/queries/executions';
import type { Attempt, Baseline, SentRequest } from '../src/api/queries/run';
import {
  attemptNumber,
  base64Of,
  failureGroups,
  isReused,
  medians,
  phaseTimes,
  retryAfterMs,
  slowest,
} from '../src/screens/run/attempts';
import { requestLines } from '../src/screens/run/requestLines';
import { verdict } from '../src/screens/run/verdict';

const NO_TIMES = {
  dns_ms: null,
  connect_ms: null,
  tls_ms: null,
  first_byte_ms: null,
  body_ms: null,
  total_ms: 0,
};
const attempt = (over: Partial<Attempt>): Attempt =>
  ({
    number: 1,
    status: 'success',
    status_code: 200,
    error_class: null,
    response_headers: [],
    timing: NO_TIMES,
    ...over,
  }) as Attempt;
const busy = attempt({ status: 'http_error', status_code: 503, error_class: 'http_5xx' });
const refused = attempt({ status: 'connection_error', status_code: null, error_class: 'connect_refused' });

describe('attempts', () => {
  it('reused a connection if they got a byte without connecting', () => {
    expect(isReused(attempt({ timing: { ...NO_TIMES, first_byte_ms: 3 } }))).toBe(true);
    expect(isReused(attempt({ timing: { ...NO_TIMES, connect_ms: 1, first_byte_ms: 3 } }))).toBe(false);
    expect(isReused(refused)).toBe(false);
  });

  it('read Retry-After in seconds, whatever the case of its name', () => {
    const asked = (value: string) => attempt({ response_headers: [{ name: 'Retry-After', value }] });
    expect(retryAfterMs(asked('2'))).toBe(2_000);
    expect(retryAfterMs(asked('Thu, 26 Nov 2026 13:00:00 GMT'))).toBeNull();
    expect(retryAfterMs(attempt({}))).toBeNull();
  });

  it('are grouped by what went wrong', () => {
    expect(failureGroups([busy, busy, refused, attempt({})])).toEqual([
      { status: 503, errorClass: 'http_5xx', n: 2 },
      { status: null, errorClass: 'connect_refused', n: 1 },
    ]);
  });

  it('are chosen by the address, otherwise the last', () => {
    const two = [attempt({ number: 1 }), attempt({ number: 2 })];
    expect(attemptNumber('1', two)).toBe(1);
    expect(attemptNumber('7', two)).toBe(2);
    expect(attemptNumber(null, [])).toBeUndefined();
  });
});

describe('the baseline', () => {
  const of = (runs: number) =>
    ({
      runs,
      first_byte_ms: { p50: 100, p95: 200 },
      dns_ms: null,
      connect_ms: null,
      tls_ms: null,
      body_ms: { p50: 0.1, p95: 1 },
      total_ms: { p50: 110, p95: 210 },
    }) as Baseline;

  it('needs ten runs', () => {
    expect(medians(of(9))).toBeNull();
    expect(medians(of(10))?.wait).toBe(100);
  });

  it('names the phase that took most longer, and not what is too short to matter', () => {
    const usual = medians(of(50));
    if (!usual) throw new Error('There is no baseline.');
    const times = phaseTimes(attempt({ timing: { ...NO_TIMES, first_byte_ms: 190, body_ms: 0.9 } }));
    expect(slowest(times, usual)).toEqual({ phase: 'wait', factor: 1.9 });
    expect(slowest({ ...times, wait: 149 }, usual)).toBeNull();
  });
});

describe('the verdict', () => {
  const run = (over: Partial<Run>) =>
    ({
      status: 'succeeded',
      attempt_count: 1,
      status_code: 200,
      error_class: null,
      waiting_for: null,
      next_attempt_at: null,
      ...over,
    }) as Run;
  const at = Date.parse('2026-11-26T13:00:00Z');

  it.each([
    [{}, 'Succeeded'],
    [{ attempt_count: 3 }, 'Succeeded on the third attempt'],
    [
      { status: 'failed', status_code: 504, attempt_count: 3 },
      'Failed after 3 attempts: 504 Gateway Timeout',
    ],
    [
      { status: 'failed', status_code: null, error_class: 'connect_refused' },
      'Failed: the connection was refused',
    ],
    [{ status: 'retrying', next_attempt_at: '2026-11-26T13:00:04Z' }, 'Second attempt in 4 s'],
    [{ status: 'running', attempts: [busy] }, 'Running, second attempt'],
    [{ status: 'queued', waiting_for: 'concurrency_limit' }, 'Waiting for a slot of the job'],
    [{ status: 'cancelled' }, 'Cancelled'],
    [
      { status: 'skipped', skipped: { reason: 'overlap', count: 1, first: '', last: '' } },
      'Skipped: an earlier run was going on',
    ],
    [{ status: 'of a later version' }, 'of a later version'],
  ])('%o', (over, said) => expect(verdict(run(over as Partial<Run>), at)).toBe(said));
});

describe('the request', () => {
  it('has its first line, its headers with secrets apart, and its body', () => {
    const sent: SentRequest = {
      attempt: 1,
      method: 'POST',
      url: 'https://api.example.com/v1/charge?for=1',
      http_version: 'HTTP/2',
      headers: [{ name: 'Authorization', value: 'Bearer secret://billing', secrets: ['billing'] }],
      left_out: ['webhook-signature'],
      body: '{"a":1}',
      body_truncated: false,
      curl: null,
    };
    const text = requestLines(sent).map((line) =>
      line.map((part) => (typeof part === 'string' ? part : part.text)).join(''),
    );
    expect(text.slice(0, 3)).toEqual([
      'POST /v1/charge?for=1 HTTP/2',
      'Host: api.example.com',
      'Authorization: Bearer secret://billing',
    ]);
    expect(text[3]).toMatch(/^webhook-signature: /);
    expect(text.slice(4)).toEqual(['', '{', '  "a": 1', '}']);
    expect(requestLines(sent)[2]).toContainEqual({ is: 'secret', text: 'secret://billing' });
  });

  it('is Base64 of UTF-8 for the hex dump', () => {
    expect(atob(base64Of('é'))).toBe('\u00c3\u00a9');
  });
});
