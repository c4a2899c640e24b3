export const words = {
  title: 'Settings',
  about: 'The workspace itself. What you choose for yourself, such as the theme, is under your account.',
  workspace: 'Workspace',
  nameText: 'All members see the name. Addresses and programs use the id, which never changes.',
  readOnly: (role: string) => `As a ${role} you can read this. An owner or admin can change the name.`,
  name: 'Name',
  id: 'Id',
  role: 'Your role',
  roles: { owner: 'Owner', admin: 'Admin', member: 'Member' } as Record<string, string>,
  unchanged: 'The name is the saved one.',
  renamed: (name: string) => `Renamed the workspace to ${name}.`,

  signing: 'Signing secret',
  signingText:
    'TrigRun signs every request and webhook with this secret, as Standard Webhooks specifies. Your servers verify the signature with it.',
  howToVerify: 'How to verify',
  show: 'Show',
  hide: 'Hide',
  rotate: 'Rotate',
  rotated: 'Rotated the signing secret.',
  rotateAnyway: 'Rotate and invalidate',
  secretName: 'Signing secret',
  previousName: 'Previous signing secret',
  previous: 'The previous secret signs, too, until',
  askRotate: 'Rotate the signing secret?',
  askRotateWhy:
    'TrigRun signs with the old and the new secret for 24 hours. Give your servers the new one within that time.',
  askForce: 'Invalidate the previous secret now?',
  askForceWhy:
    'The signing secret was rotated within the last day, and the previous one is still valid. If you rotate again, the previous one is invalid at once: servers that still use it refuse requests.',

  delete: 'Delete workspace',
  deleteText:
    'Deletes all jobs, runs, secrets, channels and tokens. The accounts of the members stay. This cannot be undone.',
  askDelete: (name: string) => `Delete ${name}?`,
  askDeleteWhy:
    'TrigRun sends nothing more for this workspace, and its tokens become invalid at once. Jobs, runs and secrets are removed and cannot be recovered.',
};
