import { counted } from '../../format';

export const words = {
  title: 'Your account',
  tabs: { account: 'Account', preferences: 'Preferences', sessions: 'Sessions' },

  profile: 'Profile',
  profileText: 'Members of your workspaces see your name and your e-mail address.',
  name: 'Name',
  email: 'E-mail',
  id: 'Id',
  unchanged: 'The name is the saved one.',
  renamed: 'Changed your name.',
  newEmail: 'E-mail address',
  newEmailText:
    'We send a link to the new address. Your account has it once you open the link; the old one is told.',
  newEmailLabel: 'New e-mail address',
  sendLink: 'Send the link',
  emailSent: (email: string) =>
    `A link was sent to ${email}. It is good for one hour. Until you open it, nothing changes.`,
  password: 'Password',
  passwordText:
    'A new password ends all your other sessions. API tokens stay valid: they belong to the workspace.',
  currentPassword: 'Current password',
  newPassword: 'New password',
  newPasswordHint: 'At least 10 characters.',
  changePassword: 'Change password',
  passwordChanged: 'Changed the password. All other sessions have ended.',
  logOut: 'Log out',
  logOutText: 'Ends this session, and removes drafts from this browser.',
  delete: 'Delete account',
  deleteText:
    'Deletes your memberships, sessions, tokens and invitations. A workspace that you alone own must be deleted or given another owner first.',
  askDelete: 'Delete your account?',
  askDeleteWhy:
    'Your tokens and invitations end at once, in all workspaces. Jobs stay with their workspaces. This cannot be undone.',

  theme: 'Theme',
  themeText: 'Kept in this browser, as is everything on this page.',
  themes: { system: 'As the system', light: 'Light', dark: 'Dark' },
  times: 'Times',
  timesText:
    'How times are shown in lists. The pages of a job show the time zone of the job first. The key . switches to UTC and back.',
  zone: 'Time zone',
  zoneHint: 'It changes no schedule: each job has its own time zone.',
  localZone: (name: string) => `This browser’s (${name})`,
  clock: 'Clock',
  hours24: '24 hours',
  hours12: '12 hours',
  nowIs: (time: string, zone: string) => `It is ${time} in ${zone}.`,
  keys: 'Keyboard',
  keysText: 'The key ? shows all shortcuts.',
  singleKeys: 'Use shortcuts of a single key',
  singleKeysHint: 'Such as J, K and R. Switch them off if speech input or stray presses start them.',

  sessionsText: 'Where you are logged in. Addresses and times are those of the last use, to the minute.',
  thisOne: 'this session',
  unknownClient: (kind: string) => (kind === 'cookie' ? 'A browser' : 'A program'),
  unknownAddress: 'unknown address',
  lastSeen: 'last seen',
  loggedIn: 'logged in',
  endsBy: 'ends by',
  end: 'End',
  ended: (client: string) => `Ended the session of ${client}.`,
  endOthers: (n: number) => `End ${counted(n, 'other session')}`,
  endedOthers: (n: number) => `Ended ${counted(n, 'session')}.`,
  askEndOthers: (n: number) => `End ${counted(n, 'other session')}?`,
  askEndOthersWhy: 'Browsers and programs that use them have to log in again. API tokens stay valid.',
};
