import { counted } from '../../format';
import { errorClass } from './results';

/** What a host does, or what is wrong with it, after its name. */
const VERBS: Record<string, string> = {
  timeout_dns: 'cannot be looked up in time',
  timeout_connect: 'does not accept connections in time',
  timeout_tls: 'does not complete TLS in time',
  timeout_response: 'does not respond in time',
  timeout_body: 'does not complete its responses in time',
  dns_not_found: 'has no address',
  dns_failed: 'cannot be looked up',
  connect_refused: 'refuses connections',
  connect_reset: 'resets connections',
  connect_unreachable: 'is unreachable',
  connect_failed: 'cannot be connected to',
  tls_certificate: 'has a certificate that is not accepted',
  tls_handshake: 'fails the TLS handshake',
  closed_early: 'closes connections early',
  protocol_error: 'sends invalid responses',
  response_too_large: 'sends responses that are too large',
  egress_refused: 'is an address that jobs may not call',
  secret_missing: 'is called with a secret that does not exist',
  secret_unreadable: 'is called with a secret that cannot be read',
  executor_lost: 'is called by executors that were lost',
  lost: 'is called by executors that were lost',
};

/** What usually causes it, in one sentence; nothing where the class does not say it. */
const HINTS: Record<string, string> = {
  timeout_dns: 'No name server replied in time.',
  timeout_connect: 'The server, or a firewall in front of it, drops packets.',
  timeout_response: 'The server took the request and sent nothing within the job’s timeout.',
  timeout_body: 'The server began to respond and did not finish within the job’s timeout.',
  dns_not_found: 'The name does not exist, or has no address.',
  connect_refused: 'No service is listening, or a firewall rejects the connection.',
  connect_reset: 'The server or something in front of it resets the connection.',
  connect_unreachable: 'There is no route to the address.',
  tls_certificate: 'It is expired, for another name, or from an authority that is not trusted.',
  tls_handshake: 'The server speaks no safe version of TLS, or asks for a client certificate.',
  closed_early: 'The server closed the connection before the response was complete.',
  egress_refused: 'The name leads to an address that jobs may not call.',
  secret_missing: 'Nothing is sent until the secret exists.',
};

interface CauseLike {
  host: string;
  error_class: string;
  status_code: number | null;
}

/** What a host does: *refuses connections*, *responds 504*. */
export function causeVerb(cause: CauseLike): string {
  if (cause.status_code !== null && cause.error_class.startsWith('http'))
    return `responds ${cause.status_code}`;
  return VERBS[cause.error_class] ?? `fails (${errorClass(cause.error_class)})`;
}

/** *ledger.example.com refuses connections* */
export function causeTitle(cause: CauseLike): string {
  return `${cause.host} ${causeVerb(cause)}`;
}

/** The likely cause in one sentence, or nothing. */
export function causeHint(cause: CauseLike): string {
  return HINTS[cause.error_class] ?? '';
}

export const words = {
  title: 'Failures',
  lead: (jobs: number, causes: number) =>
    `${counted(jobs, 'job fails', 'jobs fail')} now, from ${counted(causes, 'cause')}.`,
  shown: 'Which failures',
  now: 'Failing now',
  all: 'Last 24 hours',
  none: 'No job is failing',
  noneText: 'A failure appears here some seconds after the run has ended.',
  noneAll: 'No run has failed in the last 24 hours',
  incomplete: 'There are more causes than are shown here.',
  seen: (first: string) => `First seen ${first}.`,
  wellAgain: 'well again',
  failedInARow: (n: number) => `${counted(n, 'failure')} in a row`,
  since: 'since',
  pause: (n: number) => (n === 1 ? 'Pause' : `Pause ${n} jobs`),
  resume: (n: number) => (n === 1 ? 'Resume' : `Resume ${n} jobs`),
  paused: 'paused',
  pausedDone: (n: number) => `${counted(n, 'job')} paused.`,
  resumedDone: (n: number) => `${counted(n, 'job')} resumed.`,
  someFailed: (n: number, detail: string) => `${counted(n, 'job')} could not be changed: ${detail}`,
  runs: (n: number) => counted(n, 'run'),
  lastRun: 'Last run',
  moreJobs: (n: number) => `${n} more`,
  jobsOf: (n: number) => `All ${counted(n, 'job')}`,
};
