import {
  type FocusEvent,
  type KeyboardEvent,
  type RefObject,
  useCallback,
  useEffect,
  useRef,
  useState,
} from 'react';
import { isCommand, isShortcut, isTyping } from './keys';

/** What is selected in a table. `useSelection` makes one. */
export interface Selection {
  keys: ReadonlySet<string>;
  /** All that match the filter, loaded or not. */
  all: boolean;
  /** Selects or drops one; with `range`, all from the last one on. */
  onToggle: (key: string, range: boolean) => void;
  onSome: (keys: readonly string[]) => void;
  onNone: () => void;
  /** ⌘A: all that match. Absent where there is no such thing. */
  onAll?: () => void;
}

export interface TableKeys<Row> {
  rows: readonly Row[];
  rowKey: (row: Row) => string;
  /** The name of a row, for assistive technology. */
  rowName: (row: Row) => string;
  /** Enter, or a double click. */
  onOpen?: (row: Row) => void;
  selection?: Selection;
  /** Further keys of a row, such as R; true if the key was one. */
  onRowKey?: (key: string, row: Row) => boolean;
  /** The one main table of a page: its keys work wherever the focus is. */
  main?: boolean;
}

interface Result {
  active: number;
  onKeyDown: (event: KeyboardEvent) => void;
  onRowFocus: (event: FocusEvent) => void;
}

/** J K ↑ ↓ Home End move, X selects, ⇧X a range, Enter opens, Esc selects none, ⌘A all that match. */
export function useTableKeys<Row>(table: TableKeys<Row>, body: RefObject<HTMLElement | null>): Result {
  const [active, setActive] = useState(0);
  const moved = useRef(false);
  const latest = useRef({ table, active });
  latest.current = { table, active };

  useEffect(() => {
    if (!moved.current) return;
    // A row that is far away is drawn only after the page has scrolled to it.
    const row = rowAt(body.current, active);
    if (!row) return;
    moved.current = false;
    row.focus({ preventScroll: true });
    row.scrollIntoView({ block: 'nearest' });
  });

  const press = useCallback(
    (event: KeyPress): boolean => {
      const { table: now, active: at } = latest.current;
      const to = target(event, at, now.rows.length);
      if (to !== undefined) {
        if (event.key === 'Home' || event.key === 'End') {
          body.current?.scrollIntoView({ block: event.key === 'Home' ? 'start' : 'end' });
        }
        moved.current = true;
        setActive(to);
        return true;
      }
      const row = now.rows[at];
      return row !== undefined && act(event, row, now);
    },
    [body],
  );

  useMainKeys(table.main ?? false, body, press);

  return {
    active: Math.min(active, Math.max(0, table.rows.length - 1)),
    onKeyDown: (event) => {
      const onControl = event.target instanceof Element && event.target.matches('a, button, summary');
      if (isTyping(event.target) || event.altKey || (onControl && event.key === 'Enter')) return;
      if (press(event)) {
        event.preventDefault();
        event.stopPropagation();
      }
    },
    onRowFocus: (event) => {
      const row = event.target.closest('[data-row]');
      if (row instanceof HTMLElement) setActive(Number(row.dataset.row));
    },
  };
}

/** The keys of the one main table of a page, wherever the focus is: letters always, other keys while nothing has it. */
function useMainKeys(
  isMain: boolean,
  body: RefObject<HTMLElement | null>,
  press: (event: KeyPress) => boolean,
) {
  useEffect(() => {
    if (!isMain) return;
    const listen = (event: globalThis.KeyboardEvent) => {
      const { target: at } = event;
      if (!isShortcut(event) || (at instanceof Element && body.current?.contains(at))) return;
      const isFree = at === document.body || (at instanceof HTMLElement && at.id === 'main');
      if ((isFree || /^[a-z]$/i.test(event.key)) && press(event)) event.preventDefault();
    };
    addEventListener('keydown', listen);
    return () => removeEventListener('keydown', listen);
  }, [isMain, press, body]);
}

interface KeyPress {
  key: string;
  shiftKey: boolean;
  metaKey: boolean;
  ctrlKey: boolean;
}

function rowAt(body: HTMLElement | null, index: number): HTMLElement | null {
  return body?.querySelector<HTMLElement>(`[data-row="${index}"]`) ?? null;
}

function target(event: KeyPress, at: number, count: number): number | undefined {
  if (event.metaKey || event.ctrlKey || count === 0) return undefined;
  switch (event.key) {
    case 'j':
    case 'ArrowDown':
      return Math.min(count - 1, at + 1);
    case 'k':
    case 'ArrowUp':
      return Math.max(0, at - 1);
    case 'Home':
      return 0;
    case 'End':
      return count - 1;
    default:
      return undefined;
  }
}

function act<Row>(event: KeyPress, row: Row, table: TableKeys<Row>): boolean {
  const { selection } = table;
  if (isCommand(event)) {
    if (event.key !== 'a' || !selection) return false;
    if (selection.onAll) selection.onAll();
    else selection.onSome(table.rows.map(table.rowKey));
    return true;
  }
  if (event.key === 'Enter' && table.onOpen) table.onOpen(row);
  else if (selection && event.key.toLowerCase() === 'x')
    selection.onToggle(table.rowKey(row), event.shiftKey);
  else if (selection && event.key === 'Escape' && (selection.all || selection.keys.size > 0))
    selection.onNone();
  else return table.onRowKey?.(event.key, row) ?? false;
  return true;
}
