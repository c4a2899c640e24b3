/**
 * Runs as they end: GET /v1/stream, read with `fetch`, because EventSource cannot send the session's header. One tab
 * reads for all tabs of a workspace (Web Locks), and tells the others (BroadcastChannel): six streams would use up the
 * connections that HTTP/1.1 allows a browser.
 */

import { useEffect, useRef, useSyncExternalStore } from 'react';
import type { components } from '../schema';
import { BASE, send } from './client';
import { eventParser } from './events';
import { Problem, problemOf } from './problem';

export type StreamedExecution = components['schemas']['Execution'];

export type StreamEvent =
  | { type: 'execution'; execution: StreamedExecution }
  /** Events that did not arrive: read the lists again. `count` is null if it is unknown. */
  | { type: 'lost'; count: number | null };

type StreamState = 'connecting' | 'live' | 'retrying';
type Listener = (event: StreamEvent) => void;
type Message = { event: StreamEvent } | { state: StreamState } | { hello: true };

const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 30_000;

const listeners = new Set<Listener>();
const stateListeners = new Set<() => void>();
let state: StreamState = 'connecting';
let open: { workspace: string; stop: () => void } | null = null;

function setState(next: StreamState): void {
  if (next === state) return;
  state = next;
  for (const listener of stateListeners) listener();
}

function deliver(event: StreamEvent): void {
  for (const listener of listeners) listener(event);
}

/** Follows the runs of a workspace until the returned function is called. The shell does it, for all screens. */
export function openStream(workspace: string): () => void {
  open?.stop();
  const stopped = new AbortController();
  const channel = new BroadcastChannel(`trigrun.stream.${workspace}`);
  let isReader = false;
  setState('connecting');
  channel.onmessage = ({ data }: MessageEvent<Message>) => {
    if ('event' in data) deliver(data.event);
    else if ('state' in data) setState(data.state);
    else if (isReader) channel.postMessage({ state } satisfies Message);
  };
  channel.postMessage({ hello: true } satisfies Message);
  const publish = (message: { event: StreamEvent } | { state: StreamState }): void => {
    if (stopped.signal.aborted) return;
    channel.postMessage(message);
    if ('event' in message) deliver(message.event);
    else setState(message.state);
  };
  const read = async (): Promise<void> => {
    isReader = true;
    await readForever(workspace, publish, stopped.signal);
  };
  locked(`trigrun.stream.${workspace}`, stopped.signal, read).catch((error: unknown) => {
    if (!stopped.signal.aborted) throw error;
  });
  const stop = (): void => {
    stopped.abort();
    channel.close();
    if (open?.stop === stop) open = null;
  };
  open = { workspace, stop };
  return stop;
}

// Pages over plain HTTP of another host have no locks: each of their tabs reads for itself.
async function locked(name: string, signal: AbortSignal, read: () => Promise<void>): Promise<void> {
  if (navigator.locks) await navigator.locks.request(name, { signal }, read);
  else await read();
}

async function readForever(
  workspace: string,
  publish: (message: { event: StreamEvent } | { state: StreamState }) => void,
  signal: AbortSignal,
): Promise<void> {
  let last = '';
  let delay = RETRY_MIN_MS;
  while (!signal.aborted) {
    try {
      await readOnce(workspace, last, signal, (event) => {
        delay = RETRY_MIN_MS;
        publish({ state: 'live' });
        if (event === null) return;
        if (event.id) last = event.id;
        const parsed = parse(event.type, event.data);
        if (parsed) publish({ event: parsed });
      });
    } catch (error) {
      if (signal.aborted) return;
      publish({ state: 'retrying' });
      const asked = error instanceof Problem && error.retryAfter ? error.retryAfter * 1000 : 0;
      await pause(Math.max(asked, delay * (0.75 + Math.random() / 2)), signal);
      delay = Math.min(RETRY_MAX_MS, delay * 2);
    }
  }
}

/** Reads one response to its end; `take` gets null once it has begun. */
async function readOnce(
  workspace: string,
  last: string,
  signal: AbortSignal,
  take: (event: { type: string; data: string; id: string } | null) => void,
): Promise<void> {
  const headers: Record<string, string> = { Accept: 'text/event-stream' };
  if (last) headers['Last-Event-ID'] = last;
  const response = await send(new Request(new URL('v1/stream', BASE), { headers, signal }), workspace);
  if (!response.ok || !response.body) throw await problemOf(response);
  take(null);
  const parser = eventParser();
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    for (const event of parser(value)) take(event);
  }
}

function parse(type: string, data: string): StreamEvent | null {
  if (type === 'execution') return { type, execution: JSON.parse(data) };
  if (type === 'lost') return { type, count: JSON.parse(data).count ?? null };
  return null;
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      removeEventListener('online', done);
      resolve();
    }
    signal.addEventListener('abort', done);
    addEventListener('online', done);
  });
}

/** Calls the latest `listener` for each event, as long as the component is there. */
export function useStream(listener: Listener): void {
  const latest = useRef(listener);
  useEffect(() => {
    latest.current = listener;
  });
  useEffect(() => {
    const forward: Listener = (event) => latest.current(event);
    listeners.add(forward);
    return () => {
      listeners.delete(forward);
    };
  }, []);
}

/** Whether events arrive. */
export function useStreamState(): StreamState {
  return useSyncExternalStore(
    (listener) => {
      stateListeners.add(listener);
      return () => stateListeners.delete(listener);
    },
    () => state,
  );
}
