/** One query client a workspace: what one workspace has cached, another cannot show. */

import { QueryClient } from '@tanstack/react-query';
import { Problem } from './problem';

const RETRIES_MAX = 3;

export function newQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 5_000,
        // A refusal stays a refusal; only what is temporary is asked for again.
        retry: (failures, error) => error instanceof Problem && error.isTemporary && failures < RETRIES_MAX,
        retryDelay: (failures, error) =>
          error instanceof Problem && error.retryAfter !== null
            ? error.retryAfter * 1000
            : Math.min(8_000, 500 * 2 ** failures),
        networkMode: 'always',
      },
      mutations: { networkMode: 'always' },
    },
  });
}
