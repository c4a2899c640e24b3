/** What a schedule will do: in words, its next fires, what clock changes do to it. The server computes it. */

import { keepPreviousData, useQuery } from '@tanstack/react-query';
import type { components } from '../../schema';
import { api, call } from '../client';

type Schemas = components['schemas'];
export type Preview = Schemas['Preview'];
export type PreviewInput = Schemas['PreviewInput'];
export type ClockChange = Schemas['ClockChange'];

/** The preview of a schedule; the one before stays until it is there. Null: there is nothing to ask. */
export function usePreview(input: PreviewInput | null, options: { refetchInterval?: number } = {}) {
  return useQuery({
    queryKey: ['preview', input],
    queryFn: ({ signal }) => call(api.POST('/v1/schedules/preview', { body: input as PreviewInput, signal })),
    enabled: input !== null,
    placeholderData: keepPreviousData,
    staleTime: 30_000,
    ...options,
  });
}
