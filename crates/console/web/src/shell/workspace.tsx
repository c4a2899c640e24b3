/** The workspace of the address, and what the user may do in it. */

import { useQuery } from '@tanstack/react-query';
import { createContext, useContext } from 'react';
import { api, call } from '../api/client';
import type { Membership } from '../api/session';
import type { components } from '../schema';

export type Scope = components['schemas']['Scope'];

export const WorkspaceContext = createContext<Membership | null>(null);

/** The workspace: id, name, and the user's role in it. */
export function useWorkspace(): Membership {
  const workspace = useContext(WorkspaceContext);
  if (!workspace) throw new Error('This part needs a workspace.');
  return workspace;
}

/** The same, or null on pages without a workspace. */
export function useOptionalWorkspace(): Membership | null {
  return useContext(WorkspaceContext);
}

/** The scopes that the user has in this workspace. */
export function useMe() {
  return useQuery({ queryKey: ['me'], queryFn: () => call(api.GET('/v1/me')), staleTime: 60_000 });
}

/** Whether the user may do what needs a scope: `const can = useCan(); can('jobs:write')`. False until it is known. */
export function useCan(): (scope: Scope) => boolean {
  const { data } = useMe();
  return (scope) => data?.scopes.includes(scope) ?? false;
}
