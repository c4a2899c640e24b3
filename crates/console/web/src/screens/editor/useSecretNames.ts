import { useEffect } from 'react';
import { rowsOf } from '../../api/queries/paged';
import { useSecrets } from '../../api/queries/secrets';

/** The names of all secrets; undefined until all are known, so that none is said to be missing by mistake. */
export function useSecretNames(): readonly string[] | undefined {
  const { data, hasNextPage, isFetching, isError, fetchNextPage } = useSecrets();
  useEffect(() => {
    if (hasNextPage && !isFetching && !isError) void fetchNextPage();
  }, [hasNextPage, isFetching, isError, fetchNextPage]);
  return data && !hasNextPage ? rowsOf(data).map((secret) => secret.name) : undefined;
}
