import { count, percent } from '../../format';

export const words = {
  title: 'Usage and limits',
  about: 'What this workspace uses now, and what it may have. The operator of this server sets the limits.',
  forbidden: 'Your role cannot see the usage',
  noLimit: 'no limit',
  of: (limit: number) => `of ${count(limit)}`,
  orMore: (n: number) => `${count(n)} or more`,
  share: (name: string, share: number) => `${name}: ${percent(share)} used`,
  near: (isFull: boolean) =>
    isFull ? 'The limit is reached: the next one is refused.' : 'The limit is near.',
  jobs: 'Jobs',
  jobsText: 'Jobs count until they are deleted, paused and completed ones too.',
  allJobs: 'All jobs',
  tokens: 'API tokens',
  tokensText: 'Tokens count until they are deleted.',
  allTokens: 'All tokens',
  perMinute: 'Runs on request in the last minute',
  perMinuteText:
    'Run now, replays, and jobs that run once. Runs by a schedule do not count: a quota never drops one.',
  allRuns: 'All runs',
  members: 'Members',
  membersText: 'Users who are invited count, until the invitation expires.',
  allMembers: 'All members',
  channels: 'Notification channels',
  channelsText: 'Channels count until they are deleted.',
  allChannels: 'All channels',
};
