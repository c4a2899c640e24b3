import { count } from '../../format';

interface Entry {
  action: string;
  actor: { type: string; id: string | null; name: string | null };
  target: { id: string; name: string | null };
}

/** What was done, before the name of what it was done to. An action that is not here is shown as it is. */
const DONE: Record<string, string> = {
  'job.created': 'Created the job',
  'job.changed': 'Changed the job',
  'job.paused': 'Paused the job',
  'job.resumed': 'Resumed the job',
  'job.deleted': 'Deleted the job',
  'jobs.bulk': 'Changed many jobs',
  'stack.applied': 'Applied the stack',
  'secret.created': 'Created the secret',
  'secret.changed': 'Replaced the secret',
  'secret.deleted': 'Deleted the secret',
  'channel.created': 'Created the channel',
  'channel.changed': 'Changed the channel',
  'channel.deleted': 'Deleted the channel',
  'channel.snoozed': 'Snoozed the channel',
  'notification_rule.created': 'Created a notification rule',
  'notification_rule.changed': 'Changed a notification rule',
  'notification_rule.deleted': 'Deleted a notification rule',
  'token.created': 'Created the token',
  'token.rotated': 'Rotated the token',
  'token.deleted': 'Deleted the token',
  'member.invited': 'Invited',
  'member.joined': 'Joined the workspace',
  'member.changed': 'Changed the role of',
  'member.removed': 'Removed',
  'invitation.deleted': 'Revoked the invitation of',
  'user.logged_in': 'Logged in',
  'user.log_in_failed': 'Failed to log in',
  'user.session_ended': 'Ended a session',
  'user.password_changed': 'Changed the password',
  'user.email_changed': 'Changed the e-mail address',
  'signing_secret.rotated': 'Rotated the signing secret',
  'workspace.created': 'Created the workspace',
  'workspace.renamed': 'Renamed the workspace to',
  'workspace.plan_changed': 'Changed the plan of the workspace',
  'workspace.limits_changed': 'Changed the limits of the workspace',
  'workspace.suspended': 'Suspended the workspace',
  'workspace.resumed': 'Ended the suspension of the workspace',
};
// The target of these has no name, is the actor, or is the workspace.
const WITHOUT_TARGET = new Set([
  'notification_rule.created',
  'notification_rule.changed',
  'notification_rule.deleted',
  'jobs.bulk',
  'member.joined',
  'signing_secret.rotated',
  'workspace.plan_changed',
  'workspace.limits_changed',
  'workspace.suspended',
  'workspace.resumed',
]);

export const words = {
  title: 'Audit log',
  about:
    'Every change to jobs, secrets, tokens, members, channels and the workspace, and the log-ins of its members. Entries never contain a secret value.',
  forbidden: 'Members cannot see the audit log',
  action: 'Action',
  allActions: 'All actions',
  actionName: (action: string) => (DONE[action] ?? action).replace(/ (of|to)$/, ''),
  loaded: (n: number, isAll: boolean) => (isAll ? `All ${count(n)} loaded` : `The newest ${count(n)} loaded`),
  csv: 'Save as CSV',
  nothingToSave: 'Nothing is loaded yet.',
  when: 'When',
  who: 'Who',
  what: 'What',
  from: 'Address',
  request: 'Request',
  targetName: 'Object',
  unknown: '–',
  actor: (actor: Entry['actor']) =>
    actor.type === 'operator' ? 'the operator' : (actor.name ?? actor.id ?? 'unknown'),
  what1: (action: string) => DONE[action] ?? action,
  target: ({ action, target }: Entry) =>
    action.startsWith('user.') || WITHOUT_TARGET.has(action) ? '' : (target.name ?? target.id),
  sentence: (entry: Entry) => `${words.what1(entry.action)} ${words.target(entry)}`.trim(),
  detailName: (name: string) => {
    const spaced = name.replaceAll('_', ' ');
    return spaced.charAt(0).toUpperCase() + spaced.slice(1);
  },
  details: (details: Record<string, string>) =>
    Object.entries(details)
      .map(([name, value]) => `${name.replaceAll('_', ' ')}: ${value}`)
      .join(' · '),
  none: 'Nothing is recorded yet',
  noneWhy: 'The operator of this server decides how long entries are kept.',
  noneOf: (action: string) => `No entry “${action}”`,
  noneOfWhy: 'Other actions are recorded.',
  showAll: 'Show all actions',
};
