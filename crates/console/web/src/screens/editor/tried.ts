/** What a test shows of its response. */

import type { Test } from '../../api/queries/tests';
import type { PhaseTimes } from '../../charts/Lane';
import { duration } from '../../format';
import { hexLines, jsonLines, textLines, type WireLine } from '../../parts/wireLines';
import { words } from '../../words/en/editor';

export function phasesOf(attempt: NonNullable<Test['attempt']>): PhaseTimes {
  const { dns_ms, connect_ms, tls_ms, first_byte_ms, body_ms } = attempt.timing;
  return { dns: dns_ms, connect: connect_ms, tls: tls_ms, wait: first_byte_ms, body: body_ms };
}

/** 202 in 184 ms */
export function resultOf(test: Test): string {
  const { attempt } = test;
  if (!attempt) return test.status;
  const time = duration(attempt.timing.total_ms);
  return attempt.status_code === null
    ? words.failedIn(time)
    : words.statusIn(String(attempt.status_code), time);
}

/** The lines of the body, as JSON if it is JSON. */
export function bodyLines(attempt: NonNullable<Test['attempt']>): readonly WireLine[] {
  const { body_preview: body, body_encoding: encoding } = attempt;
  if (encoding === 'base64') return hexLines(body) ?? textLines(body);
  return jsonLines(body) ?? textLines(body);
}
