import { useCallback, useMemo, useRef, useState } from 'react';
import type { Selection } from './tableKeys';

/** The selection of a table: keys of rows in their order, or all that match. It begins empty, or as `initial` says. */
export function useSelection(
  order: readonly string[],
  canSelectAll = false,
  initial: readonly string[] = [],
): Selection {
  const [keys, setKeys] = useState<ReadonlySet<string>>(() => new Set(initial));
  const [all, setAll] = useState(false);
  const from = useRef<string | null>(null);

  const onToggle = useCallback(
    (key: string, range: boolean) => {
      const start = from.current;
      from.current = key;
      setAll(false);
      setKeys((was) => {
        const next = new Set(all ? order : was);
        if (range && start !== null) for (const each of between(order, start, key)) next.add(each);
        else if (!next.delete(key)) next.add(key);
        return next;
      });
    },
    [order, all],
  );

  return useMemo(
    () => ({
      keys,
      all,
      onToggle,
      onSome: (some) => {
        setAll(false);
        setKeys(new Set(some));
      },
      onNone: () => {
        setAll(false);
        setKeys(new Set());
      },
      ...(canSelectAll && { onAll: () => setAll(true) }),
    }),
    [keys, all, onToggle, canSelectAll],
  );
}

function between(order: readonly string[], one: string, other: string): readonly string[] {
  const [from, to] = [order.indexOf(one), order.indexOf(other)].sort((a, b) => a - b) as [number, number];
  return from < 0 ? [other] : order.slice(from, to + 1);
}
