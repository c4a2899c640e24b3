import { count, counted } from '../../format';

export const words = {
  title: 'Hosts',
  filter: 'Filter hosts',
  filterHint: 'Filter by name',
  table: (n: number) => `Hosts that jobs call, ${count(n)}.`,
  host: 'Host',
  jobs: 'Jobs',
  failing: 'Failing',
  rate: '7 days',
  p95: 'Duration p95',
  nextHour: 'Next hour',
  sort: 'Sort',
  sorts: {
    attention: 'Needs attention first',
    jobs: 'Most jobs',
    nextHour: 'Busiest next hour',
    host: 'Name',
  } as Record<string, string>,
  active: (active: number, jobs: number) =>
    active === jobs
      ? counted(jobs, 'job')
      : active === 0
        ? `${counted(jobs, 'job')}, none active`
        : `${count(active)} of ${counted(jobs, 'job')} active`,
  failingJobs: (n: number) => counted(n, 'job'),
  runs: (n: number) => counted(n, 'run'),
  noRuns: 'no runs',
  none: 'No job calls a host yet',
  noneWhy: 'A host appears here with the first job that calls it.',
  newJob: 'New job',
  noMatch: (text: string) => `No host has “${text}” in its name`,
  clear: 'Clear',
  incomplete: 'There are too many hosts, jobs or runs to count: some are left out.',

  more: 'More',
  open: 'Open',
  openJobs: 'Jobs',
  openRuns: 'Runs',
  openLoad: 'Load radar',
  pause: (n: number) => `Pause ${counted(n, 'job')}`,
  resume: 'Resume paused jobs',
  pausedNone: (host: string) => `No job that calls ${host} is active.`,
  paused: (n: number, host: string) =>
    `Paused ${counted(n, 'job')} that ${n === 1 ? 'calls' : 'call'} ${host}.`,
  resumedNone: (host: string) => `No job that calls ${host} is paused.`,
  resumed: (n: number, host: string) =>
    `Resumed ${counted(n, 'job')} that ${n === 1 ? 'calls' : 'call'} ${host}.`,
  couldNot: (n: number) => `${counted(n, 'job')} could not be changed.`,
  keyPause: 'Pause all jobs that call the host',
  keyMove: 'Next or previous host',
  scopeMissing: (scope: string) => `Your role in this workspace lacks ${scope}.`,
};
