/** What the page of a run reads from its attempts. Pure. */

import type { Attempt, Baseline } from '../../api/queries/run';
import type { PhaseTimes } from '../../charts/Lane';

/** The phases of an attempt, as the charts name them. */
export function phaseTimes({ timing }: Pick<Attempt, 'timing'>): PhaseTimes {
  return {
    dns: timing.dns_ms,
    connect: timing.connect_ms,
    tls: timing.tls_ms,
    wait: timing.first_byte_ms,
    body: timing.body_ms,
  };
}

/** Whether an attempt used a connection that was open: it got a byte, and did not connect. */
export function isReused({ timing }: Pick<Attempt, 'timing'>): boolean {
  return timing.connect_ms === null && timing.first_byte_ms !== null;
}

/** Under so many successes, nothing is usual. */
export const MIN_BASELINE_RUNS = 10;

/** The medians, as the charts name them; null where there are too few runs. */
export function medians(baseline: Baseline | undefined): (PhaseTimes & { total: number | null }) | null {
  if (!baseline || baseline.runs < MIN_BASELINE_RUNS) return null;
  const p50 = (it: { p50: number } | null) => it?.p50 ?? null;
  return {
    dns: p50(baseline.dns_ms),
    connect: p50(baseline.connect_ms),
    tls: p50(baseline.tls_ms),
    wait: p50(baseline.first_byte_ms),
    body: p50(baseline.body_ms),
    total: p50(baseline.total_ms),
  };
}

const SLOW_FROM = 1.5;
const WORTH_SAYING_MS = 1;

/** The phase that took most longer than usual, and how many times as long; null if none was slow. */
export function slowest(
  times: PhaseTimes,
  usual: PhaseTimes,
): { phase: keyof PhaseTimes; factor: number } | null {
  let found: { phase: keyof PhaseTimes; factor: number } | null = null;
  let most = WORTH_SAYING_MS;
  for (const phase of ['dns', 'connect', 'tls', 'wait', 'body'] as const) {
    const [took, median] = [times[phase], usual[phase]];
    if (took === null || median === null || median <= 0) continue;
    if (took / median >= SLOW_FROM && took - median >= most) {
      most = took - median;
      found = { phase, factor: took / median };
    }
  }
  return found;
}

/** The value of a header of a response; names have no case. */
export function headerOf(attempt: Pick<Attempt, 'response_headers'>, name: string): string | null {
  return attempt.response_headers.find((it) => it.name.toLowerCase() === name)?.value ?? null;
}

/** How long a response asked to wait, in milliseconds; null if it did not, or in a form that is a date. */
export function retryAfterMs(attempt: Pick<Attempt, 'response_headers'>): number | null {
  const value = headerOf(attempt, 'retry-after');
  return value !== null && /^\d{1,6}$/.test(value) ? Number(value) * 1000 : null;
}

/** What went wrong, attempt after attempt, where equal results that follow each other are one. */
export function failureGroups(
  attempts: readonly Pick<Attempt, 'status' | 'status_code' | 'error_class'>[],
): { status: number | null; errorClass: string | null; n: number }[] {
  const groups: { status: number | null; errorClass: string | null; n: number }[] = [];
  for (const { status, status_code, error_class } of attempts) {
    if (status === 'success') continue;
    const last = groups.at(-1);
    if (last && last.status === status_code && (status_code !== null || last.errorClass === error_class))
      last.n += 1;
    else groups.push({ status: status_code, errorClass: error_class, n: 1 });
  }
  return groups;
}

/** Text as Base64 of its UTF-8, for a hex dump. */
export function base64Of(text: string): string {
  let binary = '';
  for (const byte of new TextEncoder().encode(text)) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/** The attempt that the address names, otherwise the last; undefined if there is none. */
export function attemptNumber(param: string | null, attempts: readonly Attempt[]): number | undefined {
  const asked = attempts.find((it) => String(it.number) === param);
  return (asked ?? attempts.at(-1))?.number;
}
