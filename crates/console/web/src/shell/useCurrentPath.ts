import { useEffect, useState } from 'react';
import { useBrowserLocation } from 'wouter/use-browser-location';
import { BASE } from '../api/client';

/** The path of the address below the base, wherever in the routes the caller is. */
export function useCurrentPath(): string {
  const [path] = useBrowserLocation();
  const base = new URL(BASE).pathname.replace(/\/$/, '');
  return path.startsWith(base) ? path.slice(base.length) || '/' : path;
}

/** Whether the window is as narrow as a phone: there is a dock instead of a side. */
export function useNarrow(): boolean {
  const [query] = useState(() => matchMedia('(max-width: 48rem)'));
  const [isNarrow, setNarrow] = useState(query.matches);
  useEffect(() => {
    const change = () => setNarrow(query.matches);
    query.addEventListener('change', change);
    return () => query.removeEventListener('change', change);
  }, [query]);
  return isNarrow;
}
