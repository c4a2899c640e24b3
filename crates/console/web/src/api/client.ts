/**
 * The typed client of /v1. `await call(api.GET('/v1/jobs', { params: { query } }))` returns the data or throws a `Problem`.
 * Every request names the workspace of the page's address, and carries the session's CSRF token.
 */

import createClient from 'openapi-fetch';
import type { paths } from '../schema';
import { learnClock } from '../time';
import { challenge } from './challenge';
import { Problem, problemOf, unreachable } from './problem';

/** Where the server serves, with a slash at the end: from <base>. */
export const BASE = typeof document === 'undefined' ? 'http://localhost/' : document.baseURI;

let workspace: string | null = null;
let csrf: string | null = null;
let lastResponseAt = Date.now();

/** The workspace of the page's address: all requests from now on are about it. */
export function setWorkspace(id: string | null): void {
  workspace = id;
}

export function setCsrf(token: string | null): void {
  csrf = token;
}

let renew: () => Promise<boolean> = async () => false;

/** Sets what is tried before a user is asked to log in again: another tab may have done it already. */
export function setRenewal(attempt: () => Promise<boolean>): void {
  renew = attempt;
}

/** When a response last arrived, by the browser's clock. */
export function lastResponse(): number {
  return lastResponseAt;
}

/** Sends one request with the headers of the session, and learns the server's clock. It never shows a dialog. */
export async function send(request: Request, about: string | null = workspace): Promise<Response> {
  const headers = new Headers(request.headers);
  if (csrf) headers.set('TrigRun-CSRF', csrf);
  if (about && !headers.has('TrigRun-Workspace')) headers.set('TrigRun-Workspace', about);
  const sentAt = Date.now();
  let response: Response;
  try {
    response = await fetch(new Request(request, { headers, credentials: 'same-origin' }));
  } catch (error) {
    if (request.signal.aborted) throw error;
    throw unreachable();
  }
  lastResponseAt = Date.now();
  learnClock(response.headers.get('Date'), sentAt, lastResponseAt);
  return response;
}

/**
 * As `send`, but a session that has ended, or a password that is asked for, opens a dialog over what is there. The
 * request is sent again after it.
 */
async function sendAndAsk(request: Request): Promise<Response> {
  // A dialog can outlive the page's workspace: the request is still about the one it was made for.
  const about = workspace;
  let isRenewed = false;
  for (;;) {
    const response = await send(request.clone(), about);
    const asked = await challengeOf(response);
    if (asked === null) return response;
    if (asked === 'login' && !isRenewed && (await renew())) isRenewed = true;
    else if (!(await challenge(asked))) return response;
  }
}

async function challengeOf(response: Response): Promise<'login' | 'confirm' | null> {
  if (response.status !== 401 && response.status !== 403) return null;
  const { code } = await problemOf(response.clone());
  if (code === 'unauthorized') return 'login';
  return code === 'confirmation_required' ? 'confirm' : null;
}

export const api = createClient<paths>({
  baseUrl: BASE.replace(/\/$/, ''),
  fetch: sendAndAsk,
  // Several values of a parameter are separated by commas.
  querySerializer: { array: { style: 'form', explode: false } },
});

interface Result<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The data of a response, or the `Problem` as an exception. */
export async function call<T>(request: Promise<Result<T>>): Promise<T> {
  return (await callWithResponse(request)).data;
}

/** As `call`, with the response for its headers, for example `ETag`. */
export async function callWithResponse<T>(
  request: Promise<Result<T>>,
): Promise<{ data: T; response: Response }> {
  const { data, error, response } = await request;
  if (response.ok) return { data: data as T, response };
  throw problemFrom(error, response);
}

// openapi-fetch has read the body already, as JSON if it was JSON.
function problemFrom(error: unknown, response: Response): Problem {
  const header = response.headers.get('Retry-After');
  const seconds = header && /^\d+$/.test(header) ? Number(header) : null;
  const body = typeof error === 'object' && error !== null ? error : {};
  return new Problem(response.status, { request_id: response.headers.get('X-Request-Id'), ...body }, seconds);
}

/** A key for one intention: a request that is repeated with it has its effect once. */
export function idempotencyKey(): string {
  return crypto.randomUUID();
}
