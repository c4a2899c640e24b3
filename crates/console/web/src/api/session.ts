/** Who is logged in. The cookie is the server's; the page keeps the CSRF token, in memory only. */

import { useSyncExternalStore } from 'react';
import type { components } from '../schema';
import { BASE, send, setCsrf, setRenewal } from './client';
import { Problem, problemOf } from './problem';

type Schemas = components['schemas'];
export type User = Schemas['User'];
export type Membership = Schemas['Membership'];
export type Instance = Schemas['Instance'];

export type Session =
  | { state: 'unknown' }
  | { state: 'none' }
  | { state: 'failed'; problem: Problem }
  | { state: 'open'; user: User; workspaces: readonly Membership[] };

let session: Session = { state: 'unknown' };
const listeners = new Set<() => void>();

function set(next: Session): void {
  session = next;
  for (const listener of listeners) listener();
}

export function currentSession(): Session {
  return session;
}

export function useSession(): Session {
  return useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, currentSession);
}

/** The user of a page that only a user sees. */
export function useUser(): User {
  const it = useSession();
  if (it.state !== 'open') throw new Error('No user is logged in.');
  return it.user;
}

async function request(method: string, path: string, body?: unknown): Promise<Response> {
  const init: RequestInit = { method };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { 'Content-Type': 'application/json' };
  }
  const response = await send(new Request(new URL(path, BASE), init), null);
  if (!response.ok) throw await problemOf(response);
  return response;
}

/** Reads the session of the cookie: at the start of the page, and after a change of workspaces or of the name. */
export async function loadSession(): Promise<void> {
  try {
    const found: Schemas['CurrentSession'] = await (await request('GET', 'v1/auth/session')).json();
    setCsrf(found.csrf ?? null);
    set({ state: 'open', user: found.user, workspaces: found.workspaces });
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (error.status === 401) {
      setCsrf(null);
      set({ state: 'none' });
    } else if (session.state !== 'open') {
      set({ state: 'failed', problem: error });
    }
  }
}

/** Takes over the session that another tab has opened for the same user. */
async function renewSession(): Promise<boolean> {
  if (session.state !== 'open') return false;
  const { user } = session;
  try {
    const found: Schemas['CurrentSession'] = await (await request('GET', 'v1/auth/session')).json();
    if (found.user.id !== user.id) return false;
    setCsrf(found.csrf ?? null);
    return true;
  } catch (error) {
    if (error instanceof Problem) return false;
    throw error;
  }
}
setRenewal(renewSession);

/** Logs in. Another user than before gets a new page: what is on this one is not for them. */
export async function logIn(email: string, password: string): Promise<void> {
  const before = session;
  const opened: Schemas['NewSession'] = await (
    await request('POST', 'v1/auth/login', { email, password, session: 'cookie' })
  ).json();
  setCsrf(opened.csrf ?? null);
  if (before.state === 'open' && before.user.id !== opened.user.id) {
    location.assign(BASE);
    return;
  }
  await loadSession();
}

/** Signs up, and returns the workspace that the user is now a member of. */
export async function signUp(input: Omit<Schemas['SignUpInput'], 'session'>): Promise<string | null> {
  const opened: Schemas['NewSession'] = await (
    await request('POST', 'v1/auth/signup', { ...input, session: 'cookie' })
  ).json();
  setCsrf(opened.csrf ?? null);
  await loadSession();
  return opened.workspace_id ?? null;
}

/** Sends a link to an address. What comes back does not say whether it has an account. */
export async function requestVerification(input: Schemas['VerificationInput']): Promise<void> {
  await request('POST', 'v1/auth/verifications', input);
}

/** Replaces a forgotten password, by what was sent to the address. */
export async function resetPassword(verification: string, password: string): Promise<void> {
  await request('POST', 'v1/auth/password', { verification, password });
}

/** Gives the account the address to which the link was sent. */
export async function confirmEmail(verification: string): Promise<string> {
  const user: User = await (await request('POST', 'v1/auth/email', { verification })).json();
  if (session.state === 'open') await loadSession();
  return user.email;
}

/** Gives the password again. */
export async function confirmPassword(password: string): Promise<void> {
  await request('POST', 'v1/auth/confirm', { password });
}

/** Ends the session on the server, removes drafts, and leads to the log-in or another page. */
export async function logOut(to = new URL('login', BASE).href): Promise<void> {
  await request('POST', 'v1/auth/logout').catch((error: unknown) => {
    if (!(error instanceof Problem) || error.status !== 401) throw error;
  });
  sessionStorage.clear();
  setCsrf(null);
  // A whole new page: nothing of this session stays in memory.
  if (to === location.href) location.reload();
  else location.assign(to);
}

/** Joins a workspace by an invitation, as the user who is logged in. */
export async function acceptInvitation(invitation: string): Promise<Membership> {
  const joined: Membership = await (await request('POST', 'v1/invitations/accept', { invitation })).json();
  await loadSession();
  return joined;
}

export async function createWorkspace(name: string): Promise<string> {
  const created: Schemas['Workspace'] = await (await request('POST', 'v1/workspaces', { name })).json();
  await loadSession();
  return created.id;
}

/** What this server is: for pages before the log-in, and for the limits of forms. */
export async function readInstance(): Promise<Instance> {
  return (await request('GET', 'v1/instance')).json();
}
