import { counted, list, ordinal } from '../../format';
import { errorClass } from './results';

const ORDINALS = [
  'first',
  'second',
  'third',
  'fourth',
  'fifth',
  'sixth',
  'seventh',
  'eighth',
  'ninth',
  'tenth',
];
const TIMES = [
  '',
  'once',
  'twice',
  'three times',
  'four times',
  'five times',
  'six times',
  'seven times',
  'eight times',
  'nine times',
];

/** third, 11th */
function ordinalWord(n: number): string {
  return ORDINALS[n - 1] ?? ordinal(n);
}

function times(n: number): string {
  return TIMES[n] ?? counted(n, 'time');
}

/** Reasons of responses (RFC 9110), as servers usually send them. */
const REASONS: Record<number, string> = {
  200: 'OK',
  201: 'Created',
  202: 'Accepted',
  204: 'No Content',
  301: 'Moved Permanently',
  302: 'Found',
  304: 'Not Modified',
  307: 'Temporary Redirect',
  308: 'Permanent Redirect',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  409: 'Conflict',
  410: 'Gone',
  413: 'Content Too Large',
  422: 'Unprocessable Content',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Unavailable',
  504: 'Gateway Timeout',
};

/** Classes of errors where a title has room for more than the word of a list. */
const LONG: Record<string, string> = {
  connect_refused: 'the connection was refused',
  connect_reset: 'the connection was reset',
  connect_unreachable: 'the host is unreachable',
  tls_certificate: 'the certificate was not accepted',
  timeout_response: 'no response in time',
  timeout_body: 'the response did not end in time',
  secret_missing: 'a secret is missing',
  secret_unreadable: 'a secret is unreadable',
  response_too_large: 'the response is too large',
  closed_early: 'the connection closed early',
  egress_refused: 'the address is blocked',
};

export const words = {
  title: 'Run',
  jobs: 'Jobs',
  runs: 'Runs',
  earlier: 'Earlier run of this job',
  later: 'Later run of this job',
  noEarlier: 'There is no earlier run of this job.',
  noLater: 'There is no later run of this job.',
  copyCurl: 'Copy as curl',
  copyCurlNo: 'The body is too long for a command.',
  copyCurlNone: 'No request was sent.',
  copied: 'Copied the command.',
  copyFailed: 'The browser does not allow this page to copy.',
  replay: 'Replay',
  cancel: 'Cancel',
  keyReplay: 'Replay this run',
  keyCancel: 'Cancel this run',
  keyCopy: 'Copy as curl',
  replayed: 'Replayed.',
  cancelled: 'The run is being cancelled.',
  scopeMissing: (scope: string) => `Your role in this workspace lacks ${scope}.`,

  // The sentence.
  succeeded: (attempt: number) =>
    attempt > 1 ? `Succeeded on the ${ordinalWord(attempt)} attempt` : 'Succeeded',
  failure: (name: string | null) => (name ? (LONG[name] ?? errorClass(name)) : 'no response'),
  failed: (what: string, attempts: number) =>
    attempts > 1 ? `Failed after ${counted(attempts, 'attempt')}: ${what}` : `Failed: ${what}`,
  response: (status: number) => [`${status}`, REASONS[status]].filter(Boolean).join(' '),
  error: (name: string | null) => (name ? errorClass(name) : 'no response'),
  running: (attempt: number) => (attempt > 1 ? `Running, ${ordinalWord(attempt)} attempt` : 'Running'),
  starting: 'Starting',
  retrying: (attempt: number, when: string) =>
    `${ordinalWord(attempt)[0]?.toUpperCase()}${ordinalWord(attempt).slice(1)} attempt ${when}`,
  retryNow: 'now',
  queued: 'Queued',
  waiting: {
    concurrency_limit: 'Waiting for a slot of the job',
    capacity: 'Waiting for an executor',
  } as Record<string, string>,
  cancelledTitle: 'Cancelled',
  skipped: {
    misfire: 'Skipped: the fire was missed',
    overlap: 'Skipped: an earlier run was going on',
    suspended: 'Skipped: the workspace was suspended',
    too_many_waiting: 'Skipped: too many runs were waiting',
  } as Record<string, string>,
  skippedTitle: 'Skipped',
  skippedWhy: (fires: number, first: string, last: string) =>
    fires > 1
      ? `This record stands for ${counted(fires, 'fire')}, from ${first} to ${last}. No request was sent.`
      : 'No request was sent.',
  finished: (after: string) => `Finished ${after} after it was due.`,
  started: (after: string) => `Started ${after} after it was due.`,
  dueSince: (text: string) => `Due ${text}.`,
  responded: (host: string, groups: readonly { what: string; n: number }[]) =>
    `${host} responded with ${list(groups.map((it) => `${it.what} ${times(it.n)}`))}`,
  before: (groups: readonly { what: string; n: number }[]) =>
    `Before that: ${list(groups.map((it) => `${it.what} ${times(it.n)}`))}`,
  askedToWait: (text: string) => ` and asked to wait ${text} with `,
  retryAfter: 'Retry-After',

  attempts: 'Attempts',
  attempt: (n: number) => `Attempt ${n}`,
  chooseAttempt: 'Attempt',
  attemptRunning: 'running',
  retryAfterShort: (text: string) => `, retry after ${text}`,
  noAttempts: 'No attempt yet',
  noAttemptsEnded: 'No attempt was made',
  noAttemptsWhy: 'The first attempt appears here as soon as it begins.',

  reused: 'The connection was reused: no DNS lookup or handshake.',
  slower: (phase: string, factor: string, runs: number) =>
    `${phase} was ${factor} times the median of the last ${counted(runs, 'successful run')}.`,
  usual: (runs: number) =>
    `No phase was much slower than the median of the last ${counted(runs, 'successful run')}.`,
  mark: 'The thin mark shows the baseline.',
  fewRuns: (runs: number, least: number) =>
    `No baseline: it needs ${counted(least, 'successful run')}, and there ${runs === 1 ? 'is' : 'are'} ${runs}.`,
  phaseNames: {
    dns: 'The DNS lookup',
    connect: 'Connecting',
    tls: 'The TLS handshake',
    wait: 'Time to first byte',
    body: 'Reading the body',
    total: 'The whole attempt',
  } as Record<string, string>,

  body: 'Response',
  headers: 'Headers',
  raw: 'Raw',
  hex: 'Hex',
  views: 'Response',
  bodyLabel: 'Body of the response',
  headersLabel: 'Headers of the response',
  rawLabel: 'Body of the response as it arrived',
  hexLabel: 'Body of the response in hexadecimal',
  emptyBody: 'The response has no body.',
  noResponse: 'No response arrived.',
  stillRunning: 'The response has not arrived yet.',
  noHeaders: 'The response has no headers.',
  size: (size: string, type: string | null) => [size, type].filter(Boolean).join(', '),
  cut: (kept: string) => `the first ${kept} are kept`,

  request: 'Request, as it was sent',
  requestNote: 'identical in every attempt except number, timestamp and signature',
  requestLabel: 'The request',
  leftOut: 'sent, and not stored',
  bodyCut: 'The rest of the body is not shown.',

  details: 'Details',
  due: 'Due',
  lateness: 'Lateness',
  finishedAt: 'Finished',
  startedAt: 'Started',
  duration: 'Duration',
  source: 'Source',
  sources: {
    schedule: 'schedule',
    manual: 'run now',
    one_time: 'once',
    replay: 'replay of',
  } as Record<string, string>,
  job: 'Job',
  version: (n: number) => `v${n}`,
  remote: 'Remote address',
  responseSize: 'Response',
  kept: (size: string, whole: boolean) => `${size}, ${whole ? 'kept whole' : 'kept in part'}`,
  id: 'Id',
  idName: 'id of the run',

  notified: 'Notified',
  notifiedNone: 'None.',
  rulesNone: 'This job has no notification rules.',
  rules: (rules: readonly string[]) => `This job’s rules notify ${list(rules)}; a retry is not a failure.`,
  rule: {
    on_failure: (n: number) => (n > 1 ? `after ${n} failed runs in a row` : 'after a failed run'),
    on_success: () => 'after a run that succeeded',
    on_completion: () => 'after each run',
    on_recovery: () => 'after the first success after failures',
  } as Record<string, (n: number) => string>,
  ruleOther: (event: string) => `on ${event}`,
  events: { succeeded: 'success', failed: 'failure', recovered: 'recovery', test: 'test' } as Record<
    string,
    string
  >,
  channelGone: 'a deleted channel',
  notification: (channel: string, event: string) => `${channel}: ${event}`,
  changeRules: 'Rules',

  nearby: 'Nearby runs',
  allRuns: 'All runs',
  place: (at: number, of: number) => `Run ${at} of ${of}.`,
  neighbours: (failed: number, retried: number, thisOne: 'failed' | 'retried' | null) => {
    const said = [];
    if (failed)
      said.push(`${counted(failed, 'run')} failed${thisOne === 'failed' ? ', including this one' : ''}.`);
    if (retried)
      said.push(
        `${counted(retried, 'run')} needed retries${thisOne === 'retried' ? ', including this one' : ''}.`,
      );
    return said.join(' ');
  },

  gone: 'This run is not there, or not for you',
  goneWhy: 'It may have expired: runs are kept for some weeks.',
  toRuns: 'All runs',
};
