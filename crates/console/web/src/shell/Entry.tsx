import { QueryClientProvider } from '@tanstack/react-query';
import { useState } from 'react';
import { Redirect } from 'wouter';
import { newQueryClient } from '../api/query';
import { lastWorkspace } from './last';
import { NeedsSession } from './NeedsSession';
import { NewWorkspace } from './NewWorkspace';
import { Shell } from './Shell';

/** The address `/`: the workspace that was open last, or the way to the first one. */
export function Entry() {
  const [client] = useState(newQueryClient);
  return (
    <NeedsSession>
      {({ workspaces }) => {
        const workspace = lastWorkspace(workspaces);
        if (workspace) return <Redirect to={`/w/${workspace.id}`} replace />;
        return (
          <QueryClientProvider client={client}>
            <Shell workspace={null}>
              <NewWorkspace />
            </Shell>
          </QueryClientProvider>
        );
      }}
    </NeedsSession>
  );
}
