import { count, counted, duration, ordinal } from '../../format';

const DELIVERY: Record<string, string> = {
  queued: 'queued',
  running: 'sending',
  retrying: 'retrying',
  succeeded: 'delivered',
  failed: 'not delivered',
  skipped: 'skipped',
};

/** What an error class means, where no attempt says it in a sentence. */
const ERRORS: Record<string, string> = {
  email_not_set_up: 'The operator of this server has not configured a mail server.',
  email_invalid: 'TrigRun cannot write a message to these addresses.',
  email_limited: 'The workspace has used its e-mails of the hour.',
  smtp_refused: 'The mail server rejected the message.',
  smtp_login: 'The mail server rejected TrigRun’s log-in. Contact your administrator.',
  smtp_busy: 'The mail server asked for a later retry.',
  smtp_timeout: 'The mail server did not accept the message in time.',
  smtp_unreachable: 'The mail server could not be reached.',
  channel_unreadable: 'The channel cannot be read with the present master key. Contact your administrator.',
  snoozed: 'The channel was snoozed.',
  execution_gone: 'The run was deleted before the delivery.',
};

export const words = {
  title: 'Notifications',
  about: 'A channel is where TrigRun reports failures, recoveries and successes of jobs. Rules say when.',
  forbidden: 'Members cannot see notifications',
  tabs: { channels: 'Channels', rules: 'Rules', log: 'Log' },
  unknown: '–',

  add: 'New channel',
  none: 'This workspace has no channels yet',
  noneWhy: 'Add one to be told of failures, then choose it under Alerts of a job.',
  types: { webhook: 'Webhook', slack: 'Slack', discord: 'Discord', email: 'E-mail' } as Record<
    string,
    string
  >,
  type: 'Type',
  name: 'Name',
  nameHint: 'Unique in the workspace, such as “On call”.',
  url: 'URL',
  urlExample: (type: string) =>
    ({ slack: 'https://hooks.slack.com/services/…', discord: 'https://discord.com/api/webhooks/…' })[type] ??
    'https://example.com/hooks/trigrun',
  urlHint: (type: string) =>
    type === 'webhook'
      ? 'TrigRun sends signed JSON. The URL is a credential: later, only its host is shown.'
      : 'The URL of an incoming webhook. It is a credential: later, only its host is shown.',
  addresses: 'Addresses',
  addressesHint: 'Up to 10, separated by commas, spaces or lines.',
  keep: 'Leave it empty to keep the present one.',
  newTitle: 'New channel',
  create: 'Create channel',
  created: (name: string) => `Created the channel ${name}. Send a test to check it.`,
  change: 'Change',
  changeTitle: (name: string) => `Change ${name}`,
  changed: (name: string) => `Changed the channel ${name}.`,
  save: 'Save',
  moreFor: (name: string) => `More actions for ${name}`,
  itsLog: 'What it received',
  delete: 'Delete',
  deleted: (name: string) => `Deleted the channel ${name}.`,
  askDelete: (name: string) => `Delete the channel ${name}?`,
  askDeleteWhy: 'Its URL or addresses cannot be recovered. What it received stays in the log.',
  askDeleteRules: (name: string) => `Delete ${name} with its rules?`,
  askDeleteRulesWhy: 'Jobs no longer report to this channel.',
  deleteRules: 'Delete channel and rules',
  nothingSent: 'nothing sent yet',
  snoozedUntil: 'Snoozed until',
  snoozeFor: (hours: number) =>
    ({ 1: 'Snooze for an hour', 8: 'Snooze for 8 hours', 24: 'Snooze for a day', 168: 'Snooze for a week' })[
      hours
    ] ?? `Snooze for ${hours} hours`,
  snoozed: (name: string, until: string) =>
    `Snoozed ${name} until ${until}. Messages until then are skipped.`,
  endSnooze: 'End the snooze',
  awake: (name: string) => `Ended the snooze of ${name}.`,

  addRule: 'New rule',
  noRules: 'No rule for many jobs yet',
  noRulesWhy:
    'A rule reports failures of all jobs, of those with a tag, or of those that call a host, also of jobs that are created later. Rules of one job are under Alerts of the job.',
  newRule: 'New rule for many jobs',
  changeRule: 'Change the rule',
  createRule: 'Create rule',
  createdRule: 'Created the rule.',
  changedRule: 'Changed the rule.',
  deletedRule: 'Deleted the rule.',
  deleteRule: (said: string) => `Delete the rule: ${said}`,
  jobs: 'Jobs',
  selectors: { all: 'All jobs', tag: 'With a tag', host: 'That call a host' },
  selectorValue: { tag: 'Tag', host: 'Host' },
  selectorExample: { tag: 'billing', host: 'api.example.com' },
  jobsOf: (selector: string, value: string | null) =>
    selector === 'all'
      ? 'all jobs'
      : selector === 'tag'
        ? `jobs with the tag ${value}`
        : `jobs that call ${value}`,
  reportsTo: (channel: string) => `reports to ${channel}`,
  reportWhen: 'Report',
  ruleEvents: {
    on_failure: 'Failures',
    on_recovery: 'Recoveries: the first success after failures',
    on_completion: 'Every end: successes and failures',
    on_success: 'Every success',
  },
  rule: (event: string, after: number | null) => {
    if (event === 'on_failure')
      return after === null ? 'Every failure' : `The ${ordinal(after)} failure in a row`;
    if (event === 'on_recovery')
      return after === null ? 'Every recovery' : `Every recovery after at least ${counted(after, 'failure')}`;
    return event === 'on_success'
      ? 'Every success'
      : event === 'on_completion'
        ? 'Every success and failure'
        : event;
  },
  afterFailures: 'Failures in a row',
  afterHint: (event: string) =>
    event === 'on_failure'
      ? 'Reports only this failure in a row. Leave it empty to report every failure.'
      : 'Reports a success only after at least so many failures. Leave it empty to report every recovery.',
  needsChannel: 'This workspace has no channels yet: add one first.',

  test: 'Send a test',
  toChannel: (name: string) => `to ${name}`,
  dismiss: 'Dismiss',
  sending: 'Sending a test message…',
  notSent: 'The test was not sent.',
  testDelivered: 'Delivered.',
  testFailed: 'Not delivered.',
  testRetrying: 'Not delivered yet.',
  responded: (status: number | null, ms: number) =>
    status === null
      ? `It took ${duration(ms)}.`
      : `The receiver responded with ${status} after ${duration(ms)}.`,
  nextAttempt: (when: string) => `The next attempt is ${when === 'now' ? 'now' : when}.`,
  openInLog: 'Open in the log',
  errorClass: (name: string | null) => (name === null ? '' : (ERRORS[name] ?? name)),

  channel: 'Channel',
  allChannels: 'All channels',
  deletedChannel: 'a deleted channel',
  result: 'Result',
  allResults: 'All results',
  loaded: (n: number, isAll: boolean) => (isAll ? `All ${count(n)} loaded` : `The newest ${count(n)} loaded`),
  delivery: (status: string) => DELIVERY[status] ?? status,
  resultOf: (status: string, code: number | null) =>
    code === null ? (DELIVERY[status] ?? status) : `${DELIVERY[status] ?? status}, ${code}`,
  when: 'When',
  event: 'Event',
  events: {
    failed: 'A run failed',
    succeeded: 'A run succeeded',
    recovered: 'A job recovered',
    test: 'Test',
  } as Record<string, string>,
  testOf: 'of the channel',
  notification: 'Notification',
  job: 'Job',
  deletedJob: 'a deleted job',
  run: 'Run',
  id: 'Id',
  createdAt: 'Created',
  nextAttemptAt: 'Next attempt',
  attempts: 'Attempts',
  attempt1: 'Attempt',
  attempt: (n: number) => `Attempt ${n}`,
  attemptStatus: (it: { status: string; status_code: number | null }) =>
    it.status_code === null ? it.status.replaceAll('_', ' ') : String(it.status_code),
  duration: 'Duration',
  noAttempts: 'No attempt was made.',
  why: 'Why',
  nothingYet: 'Nothing has been sent yet',
  nothingYetWhy: 'When a rule of a job applies to a run, the message and its delivery are recorded here.',
  noMatch: 'No notification matches',
  noMatchWhy: 'Others are in the log.',
  clear: 'Show all',
};
