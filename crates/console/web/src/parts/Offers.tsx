import { type KeyboardEvent, type ReactNode, type RefObject, useCallback, useRef, useState } from 'react';
import { useFloat } from './useFloat';
import './Offers.css';

export interface Offer {
  key: string;
  text: ReactNode;
  hint?: string | undefined;
}

interface Props {
  /** The id of the list, which the field names in `aria-controls`. */
  id: string;
  label: string;
  offers: readonly Offer[];
  /** The one that Enter takes, or -1. */
  at: number;
  anchor: RefObject<HTMLElement | null>;
  wide?: boolean;
  /** What stands here where nothing is offered. */
  empty?: string;
  onTake: (index: number) => void;
  onClose: () => void;
}

/** The list below a field (APG: combobox): the focus stays in the field. It is open while it is rendered. */
export function Offers({ id, label, offers, at, anchor, wide, empty, onTake, onClose }: Props) {
  const panel = useRef<HTMLDivElement>(null);
  useFloat({ open: true, anchor, panel, wide, onClose });
  return (
    <div className="float offers" popover="manual" ref={panel} role="listbox" id={id} aria-label={label}>
      {offers.map((offer, index) => (
        // biome-ignore lint/a11y/useKeyWithClickEvents: the arrow keys and Enter of the field choose
        <div
          key={offer.key}
          id={offerId(id, index)}
          role="option"
          tabIndex={-1}
          aria-selected={index === at}
          ref={index === at ? (node) => node?.scrollIntoView({ block: 'nearest' }) : undefined}
          onPointerDown={(event) => event.preventDefault()}
          onClick={() => onTake(index)}
        >
          <span>{offer.text}</span>
          {offer.hint && <span className="faint small">{offer.hint}</span>}
        </div>
      ))}
      {offers.length === 0 && (
        <div role="option" tabIndex={-1} aria-selected={false} aria-disabled="true" className="faint">
          {empty}
        </div>
      )}
    </div>
  );
}

function offerId(list: string, index: number): string {
  return `${list}-${index}`;
}

/** What a field has to carry so that the list belongs to it. */
export function comboProps(id: string, isOpen: boolean, at: number, count: number) {
  return {
    role: 'combobox',
    autoComplete: 'off',
    spellCheck: false,
    'aria-autocomplete': 'list',
    'aria-expanded': isOpen,
    'aria-controls': isOpen ? id : undefined,
    'aria-activedescendant': isOpen && at >= 0 && at < count ? offerId(id, at) : undefined,
  } as const;
}

/** Whether the list is open, and which of it Enter takes: `none` is -1 where Enter may take nothing. */
export function useOffers(none: 0 | -1) {
  const [open, setOpen] = useState(false);
  const [at, setAt] = useState<number>(none);
  const close = useCallback(() => setOpen(false), []);
  const show = useCallback(
    (first: number = none) => {
      setAt(first);
      setOpen(true);
    },
    [none],
  );
  /** Moves in a list of so many; false if the key does not. */
  const move = (event: KeyboardEvent, count: number): boolean => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || count === 0) return false;
    setAt(open ? (at + step + count) % count : Math.max(0, at));
    setOpen(true);
    return true;
  };
  return { open, at, show, close, move };
}
