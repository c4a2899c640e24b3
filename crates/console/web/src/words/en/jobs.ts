import { count, counted, list } from '../../format';
import { states } from '../en';

const health: Record<string, { one: string; many: string }> = {
  failing: { one: 'is failing', many: 'are failing' },
  will_fail: { one: 'will fail', many: 'will fail' },
  never_ran: { one: 'has never run', many: 'have never run' },
};

export const words = {
  title: 'Jobs',
  list: 'List',
  views: 'Views',
  all: 'All',
  failing: 'Failing',
  willFail: 'Will fail',
  neverRan: 'Never ran',
  paused: 'Paused',
  drafts: 'Drafts',
  completed: 'Completed',
  filter: 'Filter jobs',
  filterHint: 'Filter by name, or type host:  tag:  secret:  state:  kind:',
  keys: {
    host: 'the host of the URL',
    tag: 'a tag',
    secret: 'the name of a secret',
    state: 'active, paused, draft or completed',
    health: 'failing, will_fail, well or never_ran',
    kind: 'cron, recurring, scheduled or one_time',
    stack: 'the stack it is applied with',
  } as Record<string, string>,
  sort: {
    attention: 'Needs attention first',
    name: 'Name',
    next_run_at: 'Next run',
    '-last_run_at': 'Last run',
    '-created_at': 'Newest first',
  },
  sortLabel: 'Sort',
  sortedByName: 'Sorted by name: there are too many jobs for the order that you chose.',
  columns: 'Columns',
  table: (shown: number, all: number | null) =>
    all === null ? `Jobs. ${count(shown)} loaded.` : `Jobs. ${count(shown)} of ${count(all)} loaded.`,
  job: 'Job',
  schedule: 'Schedule',
  last30: 'Last 30 runs',
  sevenDays: '7 days',
  lastRun: 'Last run',
  nextRun: 'Next run',
  more: 'More',
  moreFor: (name: string) => `More actions for ${name}`,
  strip: (name: string, runs: number, failed: number) =>
    runs === 0
      ? `${name}: no runs yet`
      : `${name}: ${failed === 0 ? 'none' : count(failed)} of the last ${counted(runs, 'run')} failed`,

  attempts: (n: number) => counted(n, 'attempt'),
  hasNotRun: 'has not run',
  running: 'running',
  due: 'due',
  noNext: 'no next run',
  pausedBy: (by: string) => `by ${by}`,
  pausedUntil: (until: string) => `until ${until}`,
  draft: 'Draft',
  done: 'Completed',
  secretMissing: 'will fail: no secret',
  warned: 'has a warning',
  once: 'once',
  everyMinutes: (n: number) => (n === 1 ? 'every minute' : `every ${count(n)} minutes`),

  open: 'Open',
  edit: 'Edit',
  runNow: 'Run now',
  pause: 'Pause',
  resume: 'Resume',
  delete: 'Delete',
  copyId: 'Copy the id',
  tag: 'Tag',
  keyEdit: 'Edit the job',
  keyRun: 'Run the job now',
  keyPause: 'Pause or resume the job',
  keyMove: 'Next or previous job',
  keySelect: 'Select',
  keySelectAll: 'Select all that match',

  selected: (n: number) => counted(n, 'job'),
  jobs: (n: number) => counted(n, 'job'),
  did: (action: string, n: number) => {
    const jobs = counted(n, 'job');
    const said: Record<string, string> = {
      pause: `Paused ${jobs}.`,
      resume: `Resumed ${jobs}.`,
      run: `Started ${counted(n, 'run')}.`,
      delete: `Deleted ${jobs}.`,
      add_tags: `Tagged ${jobs}.`,
      remove_tags: `Removed the tag from ${jobs}.`,
      patch: `Changed ${jobs}.`,
    };
    return said[action] ?? `Done: ${jobs}.`;
  },
  didOne: (action: 'pause' | 'resume' | 'run' | 'delete' | 'activate', name: string) =>
    ({
      pause: `Paused ${name}.`,
      resume: `Resumed ${name}.`,
      run: `Started a run of ${name}.`,
      delete: `Deleted ${name}.`,
      activate: `Activated ${name}.`,
    })[action],
  couldNot: (n: number, reason: string) => `${counted(n, 'job')} could not be changed: ${reason}`,
  runsLimited: (seconds: number) => `Your plan allows the next runs in ${counted(seconds, 'second')}.`,
  openRun: 'Open run',

  askRun: (n: number) => `Run ${counted(n, 'job')} now?`,
  askRunWhy: 'Each job makes its request once, beside its schedule.',
  doRun: (n: number) => `Run ${counted(n, 'job')}`,
  askDelete: (n: number) => `Delete ${counted(n, 'job')}?`,
  askDeleteWhy: 'They stop at once. Their runs stay until they expire. This cannot be undone.',
  doDelete: (n: number) => `Delete ${counted(n, 'job')}`,
  askTag: (n: number) => `Tag ${counted(n, 'job')}`,
  tagName: 'Tag',
  addTag: 'Add',
  removeTag: 'Remove',
  tagHint: 'A word to find jobs by.',
  change: 'Change…',
  askChange: (n: number) => `Change ${counted(n, 'job')}`,
  changeField: 'Field',
  changeValue: 'New value',
  changeHint: 'It replaces the value of this field in each job.',
  fields: {
    timeout: 'Timeout of an attempt, in seconds',
    attempts: 'Attempts at most',
    concurrency: 'Concurrent runs at most',
    overlap: 'When a run is still going on',
    misfire: 'After missed runs',
    timezone: 'Time zone',
  },
  apply: 'Apply',
  scopeMissing: (scope: string) => `Your role in this workspace lacks ${scope}.`,

  none: 'This workspace has no jobs yet',
  noneWhy: 'Paste a curl command or a crontab, or describe the first job.',
  newJob: 'New job',
  import: 'Import',
  noMatch: (parts: readonly string[]) => `No job ${list(parts)}`,
  noMatchOne: (counts: readonly { n: number; said: string }[]) =>
    `${list(counts.map((it) => `${counted(it.n, 'job')} ${it.said}`))}; no job is in all of these groups.`,
  chip: (key: string, value: string) => {
    const said: Record<string, string> = {
      host: `calls ${value}`,
      tag: `has the tag ${value}`,
      secret: `uses the secret ${value}`,
      state: `is ${states[value] ?? value}`,
      health: health[value]?.one ?? `is ${value}`,
      kind: `is of the kind ${value}`,
      stack: `belongs to the stack ${value}`,
      q: `has “${value}” in its name`,
    };
    return said[key] ?? `matches ${key}:${value}`;
  },
  chipMany: (key: string, value: string, n: number) => {
    if (n === 1) return words.chip(key, value);
    const said: Record<string, string> = {
      host: `call ${value}`,
      tag: `have the tag ${value}`,
      secret: `use the secret ${value}`,
      state: `are ${states[value] ?? value}`,
      health: health[value]?.many ?? `are ${value}`,
      kind: `are of the kind ${value}`,
      stack: `belong to the stack ${value}`,
      q: `have “${value}” in their names`,
    };
    return said[key] ?? `match ${key}:${value}`;
  },
  drop: (value: string) => `Drop “${value}”`,
  clearAll: 'Clear all',
  capped: 'Only the newest 10,000 jobs are counted.',
};
