import { useState } from 'react';
import { Problem } from '../../api/problem';
import { useTry } from '../../api/queries/tests';
import type { components } from '../../schema';

let isAbsent = false;

/**
 * One try of a request that is not saved. `isAbsent`: this server has no such operation, and the element that offers
 * it disappears.
 */
export function useTest(job: string | null) {
  const attempt = useTry();
  const [at, setAt] = useState<number | null>(null);
  const run = (request: components['schemas']['RequestInput']) =>
    attempt.mutate(
      { request, ...(job !== null && { job_id: job }) },
      {
        onSettled: () => setAt(Date.now()),
        onError: (error) => {
          if (error instanceof Problem && (error.status === 404 || error.status === 405)) isAbsent = true;
        },
      },
    );
  return {
    run,
    at,
    isAbsent,
    isBusy: attempt.isPending,
    test: attempt.data,
    error: attempt.error,
    reset: attempt.reset,
  };
}

export type TestState = ReturnType<typeof useTest>;
