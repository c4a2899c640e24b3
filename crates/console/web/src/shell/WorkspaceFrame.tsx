import { QueryClientProvider } from '@tanstack/react-query';
import { type ReactNode, useEffect, useMemo } from 'react';
import { setWorkspace } from '../api/client';
import { newQueryClient } from '../api/query';
import { openStream } from '../api/stream';
import { words } from '../words/en/shell';
import { FrameMessage } from './FrameMessage';
import { rememberWorkspace } from './last';
import { NeedsSession } from './NeedsSession';
import { Shell } from './Shell';
import { WorkspaceContext } from './workspace';

/** The frame of the pages below /w/:ws, for a member of it. */
export function WorkspaceFrame({ id, children }: { id: string; children: ReactNode }) {
  return (
    <NeedsSession>
      {({ workspaces }) => {
        const workspace = workspaces.find((it) => it.id === id);
        if (!workspace) {
          return (
            <Shell workspace={null}>
              <FrameMessage title={words.workspaceUnknown}>{words.workspaceUnknownWhy}</FrameMessage>
            </Shell>
          );
        }
        return (
          <InWorkspace key={id} id={id}>
            <WorkspaceContext value={workspace}>
              <Shell workspace={workspace}>{children}</Shell>
            </WorkspaceContext>
          </InWorkspace>
        );
      }}
    </NeedsSession>
  );
}

/** Makes all requests of its children be about one workspace. */
export function InWorkspace({ id, children }: { id: string; children: ReactNode }) {
  // Before the children render: their first requests are about this workspace.
  const client = useMemo(() => {
    setWorkspace(id);
    return newQueryClient();
  }, [id]);
  useEffect(() => {
    setWorkspace(id);
    rememberWorkspace(id);
    return openStream(id);
  }, [id]);
  return <QueryClientProvider client={client}>{children}</QueryClientProvider>;
}
