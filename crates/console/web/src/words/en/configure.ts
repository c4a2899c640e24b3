import { counted } from '../../format';

/** The words that the screens of the configuration share. */
export const words = {
  toOverview: 'Back to the overview',
  notForRole: (role: string, workspace: string) =>
    `As a ${role} of ${workspace} you can view jobs and runs. An owner or admin can change your role under Members.`,
  stored: 'I have stored it',
  copy: 'Copy',
  command: 'Command',
  tryIt: 'Try it:',
  loading: 'Loading',
  loaded: (n: number) => `${counted(n, 'row')} loaded`,
  user: 'a user who has left',
  scopeMissing: (scope: string) => `Your role in this workspace lacks ${scope}.`,
};
