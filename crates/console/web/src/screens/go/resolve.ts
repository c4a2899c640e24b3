/** Which page an id has: its prefix says what it is. */

import { api, call } from '../../api/client';
import { Problem } from '../../api/problem';

interface Kind {
  prefix: string;
  /** The page, relative to the workspace. */
  path: (id: string) => string;
  /** Whether the workspace has it; refused with a 404 if not. */
  read: (id: string, workspace: string, signal: AbortSignal) => Promise<unknown>;
}

const inWorkspace = (workspace: string) => ({ 'TrigRun-Workspace': workspace });

const KINDS: readonly Kind[] = [
  {
    prefix: 'job',
    path: (id) => `/jobs/${id}`,
    read: (id, ws, signal) =>
      call(api.GET('/v1/jobs/{id}', { params: { path: { id }, header: inWorkspace(ws) }, signal })),
  },
  {
    prefix: 'exe',
    path: (id) => `/runs/${id}`,
    read: (id, ws, signal) =>
      call(api.GET('/v1/executions/{id}', { params: { path: { id }, header: inWorkspace(ws) }, signal })),
  },
  {
    prefix: 'chn',
    path: () => '/notifications',
    read: (id, ws, signal) =>
      call(
        api.GET('/v1/notification-channels/{id}', {
          params: { path: { id }, header: inWorkspace(ws) },
          signal,
        }),
      ),
  },
  {
    prefix: 'ntf',
    path: () => '/notifications/log',
    read: (id, ws, signal) =>
      call(api.GET('/v1/notifications/{id}', { params: { path: { id }, header: inWorkspace(ws) }, signal })),
  },
  {
    prefix: 'tok',
    path: () => '/tokens',
    read: async (id, ws, signal) =>
      mustHave(id, (await call(api.GET('/v1/tokens', { params: { header: inWorkspace(ws) }, signal }))).data),
  },
  {
    prefix: 'usr',
    path: () => '/members',
    read: async (id, ws, signal) =>
      mustHave(
        id,
        (await call(api.GET('/v1/members', { params: { header: inWorkspace(ws) }, signal }))).data,
      ),
  },
  { prefix: 'ws', path: () => '', read: async (id, ws) => mustHave(id, [{ id: ws }]) },
];

function mustHave(id: string, list: readonly object[]): void {
  const has = list.some((it) => Object.values(it).includes(id));
  if (!has) throw new Problem(404, { code: 'not_found' });
}

/** The kind of a typed id, or undefined. */
export function kindOf(id: string): Kind | undefined {
  const prefix = /^([a-z]{2,3})_[0-9a-z]{10,}$/.exec(id)?.[1];
  return KINDS.find((kind) => kind.prefix === prefix);
}

/** The address of an id in the first of the workspaces that has it; null if none has. */
export async function addressOf(
  id: string,
  workspaces: readonly string[],
  signal: AbortSignal,
): Promise<string | null> {
  const kind = kindOf(id);
  if (!kind) return null;
  const found = await Promise.all(
    workspaces.map(async (workspace) => {
      try {
        await kind.read(id, workspace, signal);
        return workspace;
      } catch (error) {
        // Not there, or not for this role: another workspace may have it.
        if (error instanceof Problem && (error.status === 404 || error.status === 403)) return null;
        throw error;
      }
    }),
  );
  const workspace = found.find((it) => it !== null);
  return workspace ? `~/w/${workspace}${kind.path(id)}` : null;
}
