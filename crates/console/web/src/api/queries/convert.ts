/** What a text of another tool or scheduler would be here, and the creation of it. */

import { keepPreviousData, useQuery } from '@tanstack/react-query';
import type { components } from '../../schema';
import { api, call } from '../client';

type Schemas = components['schemas'];
export type Conversion = Schemas['Conversion'];
export type Converted = Schemas['Converted'];
export type Finding = Schemas['Finding'];
export type SourceFormat = Schemas['SourceFormat'];

export interface Source {
  text: string;
  timezone: string;
  /** For vercel.json: what its paths belong to. */
  baseUrl?: string | undefined;
}

/** Reads a text; it creates nothing, and the server neither stores nor logs it. */
export function useConversion(source: Source | null) {
  return useQuery({
    queryKey: ['convert', source],
    queryFn: ({ signal }) => convert(source as Source, signal),
    enabled: source !== null,
    placeholderData: keepPreviousData,
    // What was pasted may have credentials: it is kept no longer than it is shown.
    gcTime: 0,
    staleTime: Number.POSITIVE_INFINITY,
  });
}

function convert({ text, timezone, baseUrl }: Source, signal: AbortSignal): Promise<Conversion> {
  const options = { timezone, ...(baseUrl && { base_url: baseUrl }) };
  return call(api.POST('/v1/jobs/convert', { body: { source: sourceOf(text), options }, signal }));
}

/** JSON is sent as JSON, everything else as text. */
function sourceOf(text: string): unknown {
  try {
    const json: unknown = JSON.parse(text);
    return typeof json === 'object' && json !== null ? json : text;
  } catch {
    return text;
  }
}
