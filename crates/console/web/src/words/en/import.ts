import { counted, list } from '../../format';

const FORMATS: Record<string, string> = {
  curl: 'curl command',
  crontab: 'Crontab',
  url: 'URL',
  http: 'HTTP file',
  'cron-job-org': 'Job of cron-job.org',
  gcp: 'Google Cloud Scheduler',
  eventbridge: 'Amazon EventBridge Scheduler',
  qstash: 'QStash schedules',
  vercel: 'vercel.json',
  kubernetes: 'Kubernetes CronJobs',
  job: 'Job of TrigRun',
};

export const words = {
  title: 'Import',
  firstTitle: 'First job',
  firstHeading: 'Paste to get started',
  heading: 'Import jobs',
  lead: 'A curl command, crontab lines, a URL, or what another scheduler exports. Nothing is created until you confirm.',
  pasteStep: 'Paste',
  pasteLabel: 'curl command, crontab lines, URL, HTTP file, job as JSON, or an export of another scheduler',
  placeholder: 'curl https://api.example.com/v1/reports',
  samples: [
    [
      'a curl command',
      `curl -X POST https://api.example.com/v1/reports/daily \\
  -H 'Authorization: Bearer rk_test_8Hq2vN4pXw7cT1' \\
  -H 'Content-Type: application/json' \\
  -d '{"day": "yesterday", "format": "pdf"}'`,
    ],
    [
      'a crontab',
      `CRON_TZ=Europe/Berlin
# nightly close
30 2 * * *      curl -fsS https://api.example.com/v1/books/close
0 9 * * MON-FRI https://mail.example.net/v3/batches
*/5 * * * *     wget -qO- https://shop.example.com/healthz
@reboot         /usr/local/bin/warm-cache`,
    ],
    ['just a URL', 'https://shop.example.com/healthz'],
  ] as const,
  samplesLabel: 'Examples',
  clear: 'Clear',
  empty: 'Paste here, or anywhere on this page.',
  reading: 'Reading',
  format: (format: string) => FORMATS[format] ?? format,
  single: (format: string, method: string, credentials: number) =>
    `${FORMATS[format] ?? format}: one ${method}${
      credentials > 0
        ? ` with ${credentials === 1 ? 'a header that looks like a credential' : `${credentials} headers that look like credentials`}`
        : ''
    }`,
  several: (format: string, jobs: number, refused: number) =>
    `${FORMATS[format] ?? format}: ${list([
      counted(jobs, 'job'),
      ...(refused > 0
        ? [counted(refused, 'part that cannot be imported', 'parts that cannot be imported')]
        : []),
    ])}`,
  nothing: (format: string) => `${FORMATS[format] ?? format}: nothing that can be a job`,
  notRead:
    'This text is none of the formats that can be imported: curl, crontab, URL, HTTP file, job as JSON, cron-job.org, Cloud Scheduler, EventBridge, QStash, vercel.json, Kubernetes as JSON.',
  baseUrl: 'URL of the deployment',
  baseUrlHint: 'The paths of vercel.json belong to it.',

  request: 'Request',
  sent: 'What is sent',
  success: 'Success statuses',
  timeout: 'Timeout',
  seconds: (n: string) => `${n} s`,
  attempts: 'Attempts',
  attemptsOf: (n: string) => (n === '1' ? '1, no retry' : n),
  notImported: 'Not imported',
  none: 'nothing',
  changed: 'Changed',

  secretsTitle: 'Secrets',
  becomesSecret: 'The credential becomes a secret and is not stored in the job.',
  becomesSecretNote: (places: string) => `${places}. Encrypted, never shown, changed in one place.`,
  keptInJob: 'The credential is stored in the job.',
  keptInJobNote: (places: string) => `${places}. Members who read the job can read it.`,
  usesExisting: 'The job uses a secret that exists.',
  usesExistingNote: (places: string) => `${places}. The pasted value is not stored.`,
  secretName: 'Name of the secret',
  secretTaken: 'A secret with this name exists.',
  useExisting: 'Use it',
  keep: 'Keep it in the job',
  makeSecret: 'Make it a secret',
  needsSecrets: 'Your role cannot create secrets.',

  when: 'When',
  whenOf: (n: number) => `${counted(n, 'job has', 'jobs have')} no schedule in what was pasted.`,
  presets: {
    five: 'every 5 minutes',
    hourly: 'hourly',
    daily: 'daily',
    weekdays: 'weekdays',
    once: 'once',
    now: 'now',
    cron: 'cron…',
  } as const,
  at: 'At',
  cron: 'Cron expression',
  nowText: 'The job runs once, as soon as it is created.',
  next: 'Next:',
  thenAt: (times: string[]) => `, then ${times.join(', ')}`,
  scheduled: 'From what was pasted',

  test: 'Test',
  tested: (ago: string) => `Tested ${ago}`,
  testNote: 'Sends the request once, now. Nothing is saved.',
  sendOnce: 'Send once',
  sendAgain: 'Send again',
  details: 'Response',

  lines: 'Result of parsing',
  linesLabel: 'Lines of the text, and what they became',
  line: 'Line',
  job: 'Job',
  nextRun: 'Next',
  status: 'Status',
  refused: 'not imported',
  lost: 'Left out',
  afterCreation: 'once, when created',

  thenStep: 'Then',
  state: 'State',
  startAtOnce: 'start at once',
  createPaused: 'create paused',
  pausedHint: 'Created paused so that nothing runs twice while the old scheduler is active.',
  activeHint: 'Make sure that the old scheduler no longer runs them.',
  zoneOfLines: 'Time zone of lines without CRON_TZ',

  copyAs: 'Copy as:',
  curl: 'curl',
  cli: 'Command line',
  yaml: 'YAML',
  copiedAs: (what: string) => `Copied as ${what}.`,
  edit: 'Edit first',
  saveDraft: 'Save as draft',
  create: (n: number) => (n === 1 ? 'Create job' : `Create ${counted(n, 'job')}`),
  notCreated: 'Nothing was created',
  secretsOnly: (names: string[]) =>
    `The ${names.length === 1 ? 'secret' : 'secrets'} ${list(names)} exist now; the jobs do not.`,
  errorOf: (name: string, detail: string) => `${name}: ${detail}`,
  readOnly: 'Your role cannot create jobs. You can see here what they would be.',

  created: (name: string) => `${name} is created.`,
  createdMany: (n: number) => `${counted(n, 'job is', 'jobs are')} created.`,
  createdDraft: 'It is a draft and does not run until you activate it.',
  createdPaused: 'It is paused.',
  createdPausedMany: 'They are paused. Resume them when the old scheduler no longer runs them.',
  resumeAll: 'Resume all',
  resumed: (n: number) => `Resumed ${counted(n, 'job')}.`,
  nextRunIn: 'Next run',
  runNow: 'Run now',
  runAgain: 'Run again',
  openJob: 'Open the job',
  openJobs: 'Open Jobs',
  another: 'Import more',
  run: 'Run',
  runDetails: 'All about this run',
  runStates: {
    pending: 'Waiting for its start',
    queued: 'Waiting for an executor',
    running: 'Running',
    retrying: 'Waiting for the next attempt',
  } as Record<string, string>,
  runSucceeded: (status: number | null, time: string, attempts: number) =>
    `${status ?? 'Success'} in ${time}${attempts > 1 ? `, attempt ${attempts}` : ''}`,
  runFailed: (status: number | null, attempts: number) =>
    `${status ?? 'Failed'} after ${counted(attempts, 'attempt')}`,
  sameJob: 'The same job by the API',
  sameJobHint: 'Create a token for your program on the page API tokens.',
  createdJobs: 'Created jobs',
};
