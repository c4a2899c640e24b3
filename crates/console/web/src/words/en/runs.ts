import { count, counted, list } from '../../format';
import { statuses } from '../en';
import { errorClass } from './results';

export const sources: Record<string, string> = {
  schedule: 'schedule',
  manual: 'run now',
  one_time: 'once',
  replay: 'replay',
};

export const skipReasons: Record<string, string> = {
  misfire: 'missed',
  overlap: 'overlap',
  suspended: 'suspended',
  too_many_waiting: 'too many waiting',
};

export const words = {
  title: 'Runs',
  views: 'Views',
  view: { all: 'All', failed: 'Failed', open: 'Not ended', retried: 'Retried', skipped: 'Skipped' },
  filter: 'Filter runs',
  filterHint: 'Filter by job, or type status:  host:  error:  http:  from:',
  keys: {
    status: 'one or several, separated by commas',
    job: 'the id or the key of a job',
    host: 'the host of the URL',
    tag: 'a tag of the job',
    error: 'a class of errors',
    http: 'a status such as 503, or 5xx',
    source: 'schedule, manual, one_time or replay',
    tries: 'this many attempts or more',
    from: 'due since: 2h, 7d, 2026-11-26T14:00',
    to: 'due before: 1h, 2026-11-26T15:00',
  } as Record<string, string>,
  period: 'Period',
  periods: { all: 'All', '1h': '1 h', '24h': '24 h', '7d': '7 d' } as Record<string, string>,
  ofJob: 'Runs of',
  table: (n: number) => `Runs, newest first. ${count(n)} loaded.`,
  run: 'Run',
  job: 'Job',
  result: 'Result',
  due: 'Due',
  lateness: 'Lateness',
  duration: 'Duration',
  attempts: 'Attempts',
  source: 'Source',
  rowName: (job: string, at: string) => `${job}, ${at}`,
  skippedMany: (n: number, reason: string) => (n > 1 ? `${count(n)} fires, ${reason}` : reason),
  nextAttempt: (text: string) => `next attempt ${text}`,
  waitingFor: {
    concurrency_limit: 'waits for a slot of the job',
    capacity: 'waits for an executor',
  } as Record<string, string>,
  loaded: (n: number) => `${count(n)} loaded`,
  loadedAll: (n: number) => counted(n, 'run'),
  older: 'Search older runs',
  olderWhy: 'None of the newest runs matches. Older ones may.',
  keysFoot: 'J K move · X select · Enter open · R replay',

  hold: 'Hold',
  resume: 'Follow',
  holdLabel: 'Hold the list: new runs do not appear',
  resumeLabel: 'Follow new runs again',
  waiting: (n: number, isMany: boolean) => `${count(n)}${isMany ? '+' : ''} new`,
  showWaiting: (n: number, isMany: boolean) => `Show ${count(n)}${isMany ? ' or more' : ''} new runs`,
  keyHold: 'Hold or follow new runs',
  keyShow: 'Show new runs',
  keyMove: 'Next or previous run',
  keySelect: 'Select',
  keySelectAll: 'Select all that match',
  keyReplay: 'Replay the run',

  histogram: 'Runs by the time at which they were due',
  histogramHelp:
    'Arrow keys read the buckets. Shift and an arrow key select several. Enter filters by them. T shows a table.',
  histogramNot: (filters: readonly string[]) =>
    `The chart ignores the ${filters.length > 1 ? 'filters' : 'filter'} ${list(filters)}.`,
  nameSearch: 'by name',
  bucket: (window: string, parts: { succeeded: number; failed: number; skipped: number }) => {
    const said = [window, counted(parts.succeeded + parts.failed, 'run')];
    if (parts.failed) said.push(`${count(parts.failed)} failed`);
    if (parts.skipped) said.push(`${count(parts.skipped)} skipped`);
    return said.join(' · ');
  },
  window: (from: string, to: string) => `${from} to ${to}`,
  chartSum: (succeeded: number, failed: number) =>
    `${counted(succeeded + failed, 'run')}, ${failed ? `${count(failed)} failed` : 'none failed'}`,
  dragHint: 'Drag to choose a period',
  columns: { time: 'Time', succeeded: 'Succeeded', failed: 'Failed', skipped: 'Skipped' },
  showChart: 'Show as a chart',

  selected: (n: number) => counted(n, 'run'),
  replay: 'Replay',
  cancel: 'Cancel runs',
  cancelOne: 'Cancel the run',
  more: 'More',
  open: 'Open',
  openJob: 'Open the job',
  copyId: 'Copy the id',
  onlyThisJob: 'Only this job',
  onlyThisHost: 'Only this host',
  askReplay: (n: string) => `Replay ${n}?`,
  askReplayWhy:
    'Each makes its request again, as its job defines it now, oldest first. What a target has already done may be done twice.',
  doReplay: (n: string) => `Replay ${n}`,
  askCancel: (n: string) => `Cancel ${n}?`,
  askCancelWhy:
    'Runs that have not ended are stopped. A request in progress is aborted; its target may have received it.',
  doCancel: (n: string) => `Cancel ${n}`,
  counting: 'Counting what matches',
  runs: (n: number, isCapped: boolean) => (isCapped ? `more than ${count(n)} runs` : counted(n, 'run')),
  byJob: (name: string, n: number) => `${name}: ${counted(n, 'run')}`,
  andOthers: (n: number) => `and ${counted(n, 'other job')}`,
  firstOnly: (n: number) => `Of the ${count(n)} oldest:`,
  nothingToCancel: 'None of these runs can be cancelled: they have ended.',
  nothingToReplay: 'None of these runs is there any more.',
  did: (action: string, n: number) =>
    `${action === 'replay' ? 'Replayed' : 'Cancelled'} ${counted(n, 'run')}.`,
  failedSome: (n: number, reasons: readonly string[]) =>
    `${counted(n, 'run')} could not be changed: ${list(reasons)}.`,
  limited: (seconds: number) => `Your plan allows the next replays in ${counted(seconds, 'second')}.`,
  failures: {
    job_is_draft: 'the job is a draft',
    not_found: 'the run or its job is gone',
    execution_ended: 'it has ended',
  } as Record<string, string>,
  openReplay: 'Open run',
  showReplays: 'Show replays',
  scopeMissing: (scope: string) => `Your role in this workspace lacks ${scope}.`,

  none: 'No runs yet',
  noneWhy: 'A run appears here as soon as a job is due, or is run by hand.',
  seeJobs: 'See jobs',
  noMatch: (chips: readonly string[]) => (chips.length ? `No run ${list(chips)}` : 'No run matches'),
  noMatchWhy: 'Drop a filter, or search a longer period.',
  clearAll: 'Clear all',
  drop: (chip: string) => `Drop ${chip}`,
  chip: (key: string, value: string) => {
    const said: Record<string, string> = {
      status: `is ${value
        .split(',')
        .map((it) => statuses[it] ?? it)
        .join(' or ')}`,
      job: `is of ${value}`,
      host: `called ${value}`,
      tag: `is of a job with the tag ${value}`,
      error: `ended with “${errorClass(value)}”`,
      http: `got ${value}`,
      source: `came from ${sources[value] ?? value}`,
      tries: `took ${counted(Number(value), 'attempt')} or more`,
      from: `was due since ${value}`,
      to: `was due before ${value}`,
      q: `is of a job with “${value}” in its name`,
    };
    return said[key] ?? `matches ${key}:${value}`;
  },
};
