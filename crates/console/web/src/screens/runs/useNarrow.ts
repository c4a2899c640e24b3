import { useSyncExternalStore } from 'react';

const NARROW = '(max-width: 48rem)';

/** Whether the window is narrow: tables then have fewer columns. */
export function useNarrow(): boolean {
  return useSyncExternalStore(
    (listener) => {
      const media = matchMedia(NARROW);
      media.addEventListener('change', listener);
      return () => media.removeEventListener('change', listener);
    },
    () => matchMedia(NARROW).matches,
  );
}
