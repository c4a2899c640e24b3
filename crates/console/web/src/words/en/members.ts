export const words = {
  title: 'Members',
  about: 'Owners and admins change everything in this workspace. Members read its jobs and runs.',
  forbidden: 'Members cannot see who the members are',
  invite: 'Invite',
  member: 'Member',
  you: '(you)',
  role: 'Role',
  roles: { owner: 'Owner', admin: 'Admin', member: 'Member' } as Record<string, string>,
  roleOf: (name: string) => `Role of ${name}: `,
  may: 'May',
  roleMay: (role: string) =>
    ({
      owner: 'Everything, with owners and the end of the workspace',
      admin: 'Everything except owners and the end of the workspace',
      member: 'Read jobs and runs',
    })[role] ?? role,
  since: 'Since',
  more: 'More',
  moreFor: (name: string) => `More actions for ${name}`,
  copyEmail: 'Copy the e-mail address',
  onlyOwners: 'Only an owner can change an owner.',
  lastOwner: 'A workspace keeps at least one owner. Make another member an owner first.',
  cannotGive: (role: string) =>
    `As ${role === 'admin' ? 'an admin' : `a ${role}`}, you cannot give this role.`,
  changedRole: (name: string, role: string) =>
    `${name} is now ${role === 'member' ? 'a member' : `an ${role}`}.`,
  remove: 'Remove',
  removed: (name: string) => `Removed ${name}.`,
  askRemove: (name: string) => `Remove ${name}?`,
  askRemoveWhy: (workspace: string) =>
    `They lose access to ${workspace} at once. The tokens and invitations that they created end with it. Jobs stay.`,
  leave: 'Leave',
  askLeave: (workspace: string) => `Leave ${workspace}?`,
  askLeaveWhy:
    'You lose access at once, and the tokens and invitations that you created end. To come back, you need an invitation.',

  invitations: 'Open invitations',
  invited: 'Invited',
  invitedBy: (name: string | undefined) => (name ? `invited by ${name}` : 'invited by a token'),
  validUntil: 'Valid until',
  revoke: 'Revoke',
  revokeOf: (email: string) => ` the invitation of ${email}`,
  revoked: (email: string) => `Revoked the invitation of ${email}.`,
  email: 'E-mail',
  emailHint: 'The invitation is valid for this address only.',
  inviteTitle: (workspace: string) => `Invite to ${workspace}`,
  inviteDo: 'Create invitation',
  onceTitle: (email: string) => `Send this link to ${email}`,
  onceText: (email: string, until: string) =>
    `TrigRun shows it once and does not send it. It lets ${email} join until ${until}.`,
  onceDone: 'I have sent it',
  link: 'Link of the invitation',
};
