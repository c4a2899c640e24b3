import type { ReactNode } from 'react';
import { ErrorPanel } from './ErrorPanel';
import { Bars } from './Loading';

/** What this reads of a query of react-query. */
interface Query<Data> {
  data: Data | undefined;
  error: unknown;
  isPending: boolean;
  refetch: () => unknown;
}

interface Props<Data> {
  query: Query<Data>;
  /** What stands here while it loads, of the height of what is to come. */
  bars?: ReactNode;
  /** The heading of the error, where the problem's own does not fit. */
  errorTitle?: string;
  children: (data: Data) => ReactNode;
}

/** What a query returned, or its loading, or its error. Old data stays while it is loaded again. */
export function Loaded<Data>({ query, bars, errorTitle, children }: Props<Data>) {
  if (query.data !== undefined) return children(query.data);
  if (query.error)
    return <ErrorPanel error={query.error} title={errorTitle} onRetry={() => query.refetch()} />;
  return query.isPending ? (bars ?? <Bars />) : null;
}
