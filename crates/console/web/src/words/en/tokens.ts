import { counted, list } from '../../format';

/** What a scope lets a token do, grouped so that a sentence can join them. */
const GROUPS: readonly [verb: string, of: Record<string, string>][] = [
  ['read', { 'jobs:read': 'jobs', 'executions:read': 'runs' }],
  ['run', { 'jobs:run': 'jobs' }],
  ['change', { 'jobs:write': 'jobs' }],
  ['manage', { 'secrets:write': 'secrets', 'notifications:write': 'notifications' }],
  ['administer', { 'workspace:admin': 'the workspace' }],
];
const SCOPES_COUNT = 7;

function sentence(scopes: readonly string[]): string {
  if (scopes.length === SCOPES_COUNT) return 'do everything';
  const known = new Set(GROUPS.flatMap(([, of]) => Object.keys(of)));
  const said = GROUPS.flatMap(([verb, of]) => {
    const things = Object.keys(of).filter((scope) => scopes.includes(scope));
    return things.length > 0 ? [`${verb} ${list(things.map((scope) => of[scope] as string))}`] : [];
  });
  return list([...said, ...scopes.filter((scope) => !known.has(scope))]);
}

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

export const words = {
  title: 'API tokens',
  about:
    'Programs use tokens to call the API of this workspace. A token can do no more than the member who creates it, and it ends with that member’s rights.',
  forbidden: 'Members cannot see tokens',
  add: 'New token',
  name: 'Name',
  scopes: 'May',
  may: (scopes: readonly string[]) => capital(sentence(scopes)),
  lastUsed: 'Last used',
  neverUsed: 'never',
  expires: 'Expires',
  never: 'never',
  expired: 'expired',
  inDays: (days: number) =>
    days < 1
      ? `in ${counted(Math.max(1, Math.floor(days * 24)), 'hour')}`
      : `in ${counted(Math.round(days), 'day')}`,
  more: 'More',
  moreFor: (name: string) => `More actions for ${name}`,
  createdBy: (who: string) => `by ${who},`,
  operator: 'the operator',
  formerMember: 'a former member',
  rotate: 'Rotate',
  copyId: 'Copy the id',
  delete: 'Delete',

  none: 'This workspace has no tokens yet',
  noneWhy: 'Create one for each program that calls the API, with the scopes that it needs.',

  newTitle: 'New API token',
  create: 'Create token',
  nameHint: 'The program that uses it, such as “ci deploy”.',
  presets: 'Common sets of scopes',
  preset: { read: 'Read only', deploy: 'Read, run and change jobs', all: 'Everything' },
  scope: {
    'jobs:read': 'Read jobs',
    'executions:read': 'Read runs',
    'jobs:run': 'Run, replay and cancel',
    'jobs:write': 'Create and change jobs',
    'secrets:write': 'Manage secrets',
    'notifications:write': 'Manage notifications',
    'workspace:admin': 'Administer members, tokens and the workspace',
  } as Record<string, string>,
  willBeAble: (scopes: readonly string[]) =>
    scopes.length > 0 ? `The token may ${sentence(scopes)}.` : 'Choose at least one.',
  expiry: {
    7: 'In 7 days',
    30: 'In 30 days',
    90: 'In 90 days',
    365: 'In a year',
    date: 'On a day…',
    never: 'Never',
  },
  lastDay: 'Last day (UTC)',

  onceTitle: (name: string) => `Copy the secret of ${name}`,
  onceText:
    'This secret is shown once. Store it where the program reads it; if it is lost, rotate the token.',
  secretName: 'Secret of the token',
  curl: (base: string, secret: string) => `curl ${base}v1/me -H "Authorization: Bearer ${secret}"`,

  askRotate: (name: string) => `Rotate ${name}?`,
  askRotateWhy:
    'The token gets a new secret, which is shown once. The present secret ends at once, and with it the tokens and invitations that it created. Scopes and expiry stay.',
  askDelete: (name: string) => `Delete the token ${name}?`,
  askDeleteWhy: (isUsed: boolean) =>
    `${isUsed ? 'Programs that use it get 401 at once.' : 'It has never been used.'} This cannot be undone.`,
  deleted: (name: string) => `Deleted the token ${name}.`,
};
