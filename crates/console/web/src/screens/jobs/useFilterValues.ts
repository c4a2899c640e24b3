import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { api, call } from '../../api/client';
import type { ChipKey } from './filter';

/** What the keys of the filter can be completed with: hosts, tags and secrets of this workspace. */
export function useFilterValues(): Partial<Record<ChipKey, readonly string[]>> {
  const hosts = useQuery({
    queryKey: ['hosts'],
    queryFn: () => call(api.GET('/v1/hosts')),
    staleTime: 60_000,
  });
  const secrets = useQuery({
    queryKey: ['secrets', 'names'],
    queryFn: async () =>
      (await call(api.GET('/v1/secrets', { params: { query: { limit: 250 } } }))).data.map((it) => it.name),
    staleTime: 60_000,
  });
  const tags = useQuery({
    queryKey: ['stats', 'tags'],
    queryFn: async () =>
      (
        await call(api.GET('/v1/stats', { params: { query: { by: 'tag', step: 86_400, limit: 250 } } }))
      ).data.map((it) => it.key ?? ''),
    staleTime: 60_000,
  });
  return useMemo(
    () => ({
      host: hosts.data?.data.map((it) => it.host),
      secret: secrets.data,
      tag: tags.data?.filter(Boolean),
    }),
    [hosts.data, secrets.data, tags.data],
  );
}
