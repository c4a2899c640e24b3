/** Requests that are sent once, to try them, without a job. */

import { useMutation } from '@tanstack/react-query';
import type createClient from 'openapi-fetch';
import type { components } from '../../schema';
import { api, call } from '../client';

type Schemas = components['schemas'];

/** The request that was tried, and what came of it. */
export interface Test {
  id: string;
  status: string;
  /** Why it failed, in a sentence. */
  error: string | null;
  /** Null until it has ended. */
  attempt: Schemas['Attempt'] | null;
  request: Schemas['SentRequest'];
  created_at: string;
}

interface TestInput {
  request: Schemas['RequestInput'];
  job_id?: string;
}

interface TestPaths {
  '/v1/tests': {
    post: {
      parameters: { query: { wait: number } };
      requestBody: { content: { 'application/json': TestInput } };
      responses: { 202: { content: { 'application/json': Test } } };
    };
  };
  '/v1/tests/{id}': {
    get: {
      parameters: { path: { id: string } };
      responses: { 200: { content: { 'application/json': Test } } };
    };
  };
}

const client = api as unknown as ReturnType<typeof createClient<TestPaths>>;
const WAIT_SECONDS = 25;
const MAX_READS = 20;

/** Sends a request once and waits for its response. */
export function useTry() {
  return useMutation({ mutationFn: attempt });
}

async function attempt(body: TestInput): Promise<Test> {
  let test = await call<Test>(
    client.POST('/v1/tests', { params: { query: { wait: WAIT_SECONDS } }, body }) as never,
  );
  // A target may take longer than the server waits.
  for (let read = 0; read < MAX_READS && isOpen(test); read += 1) {
    await new Promise((resolve) => setTimeout(resolve, READ_INTERVAL_MS));
    test = await call<Test>(client.GET('/v1/tests/{id}', { params: { path: { id: test.id } } }) as never);
  }
  return test;
}

const READ_INTERVAL_MS = 2_000;

function isOpen(test: Test): boolean {
  return test.status === 'queued' || test.status === 'running';
}
