import { counted } from '../../format';

/** The words of the pages before the log-in: log-in, sign-up, invitation. */
export const words = {
  logIn: 'Log in',
  logInTo: 'Log in to TrigRun',
  email: 'E-mail',
  password: 'Password',
  show: 'Show',
  hide: 'Hide',
  showPassword: 'Show the password',
  hidePassword: 'Hide the password',
  noAccount: 'No account?',
  signUp: 'Sign up',
  byInvitation: 'To get an account, ask an administrator of a workspace for an invitation.',
  closed: 'Sign-up is disabled on this server. To get an account, ask its administrator.',
  noUsers: 'This server has no users yet. Its administrator has to create the first one.',
  wait: (seconds: number) => `Try again in ${counted(seconds, 'second')}.`,
  insecure: 'This page was loaded over plain HTTP. Your password can be read by others on the network.',
  docs: 'API documentation',
  version: (version: string) => `TrigRun ${version}`,

  signUpTitle: 'Create your account',
  name: 'Your name',
  workspace: 'Name of your workspace',
  workspaceHint: 'A workspace holds jobs, their runs, and its members. You can rename it.',
  passwordHint: 'At least 10 characters.',
  haveAccount: 'Have an account?',
  createAccount: 'Create account',

  acceptTitle: 'Join a workspace',
  acceptAs: (email: string) => `You are logged in as ${email}. Join the workspace with this account?`,
  accept: 'Join',
  other: 'Use another account',
  acceptWhy: 'You have been invited to a workspace. Log in, or create an account, to join it.',
  noInvitation: 'This link has no invitation',
  noInvitationWhy:
    'Copy the whole link, including the part after #. Invitations are shown once; ask for a new one if it is lost.',
  toConsole: 'Go to the console',
};
