/** Notification rules for many jobs: all of the workspace, those with a tag, or those that call a host. */

import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import type { components } from '../../schema';
import { api, call } from '../client';

type Schemas = components['schemas'];
export type WorkspaceRule = Schemas['WorkspaceRule'];
export type WorkspaceRuleInput = Schemas['WorkspaceRuleInput'];
export type RuleEvent = Schemas['RuleEvent'];
export type RuleSelector = Schemas['RuleSelector'];

/** The rules of the workspace, oldest first. */
export function useWorkspaceRules() {
  return useQuery({
    queryKey: ['rules', 'workspace'],
    queryFn: ({ signal }) => call(api.GET('/v1/notification-rules', { signal })),
  });
}

function useRuleChange<Input, Output>(change: (input: Input) => Promise<Output>) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: change,
    onSuccess: () => void client.invalidateQueries({ queryKey: ['rules'] }),
  });
}

export function useCreateWorkspaceRule() {
  return useRuleChange((body: WorkspaceRuleInput) => call(api.POST('/v1/notification-rules', { body })));
}

export function useChangeWorkspaceRule() {
  return useRuleChange(({ id, patch }: { id: string; patch: Schemas['WorkspaceRulePatch'] }) =>
    call(api.PATCH('/v1/notification-rules/{id}', { params: { path: { id } }, body: patch })),
  );
}

export function useDeleteWorkspaceRule() {
  return useRuleChange((id: string) =>
    call(api.DELETE('/v1/notification-rules/{id}', { params: { path: { id } } })),
  );
}
