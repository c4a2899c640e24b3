import { QueryClientProvider } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { newQueryClient } from '../api/query';
import { lastWorkspace } from './last';
import { NeedsSession } from './NeedsSession';
import { Shell } from './Shell';
import { InWorkspace } from './WorkspaceFrame';
import { WorkspaceContext } from './workspace';

/** The frame of the pages that are about the user: beside them is the workspace that was open last. */
export function AccountFrame({ children }: { children: ReactNode }) {
  return (
    <NeedsSession>
      {({ workspaces }) => {
        const workspace = lastWorkspace(workspaces);
        if (!workspace) return <WithoutWorkspace>{children}</WithoutWorkspace>;
        return (
          <InWorkspace key={workspace.id} id={workspace.id}>
            <WorkspaceContext value={workspace}>
              <Shell workspace={workspace}>{children}</Shell>
            </WorkspaceContext>
          </InWorkspace>
        );
      }}
    </NeedsSession>
  );
}

function WithoutWorkspace({ children }: { children: ReactNode }) {
  const [client] = useState(newQueryClient);
  return (
    <QueryClientProvider client={client}>
      <Shell workspace={null}>{children}</Shell>
    </QueryClientProvider>
  );
}
