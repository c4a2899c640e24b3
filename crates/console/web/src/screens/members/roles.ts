import type { Role } from '../../api/queries/members';

export const ROLES: readonly Role[] = ['owner', 'admin', 'member'];

/** Whether a member with this role can give that one: no more than the own. */
export function mayGive(mine: string, role: Role): boolean {
  return mine === 'owner' || role !== 'owner';
}
