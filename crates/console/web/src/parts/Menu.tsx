import { type KeyboardEvent, type ReactNode, useCallback, useEffect, useId, useRef, useState } from 'react';
import { useLocation } from 'wouter';
import { Button } from './Button';
import { Icon, type IconName } from './Icon';
import { Kbd } from './Kbd';
import { useFloat } from './useFloat';
import './Menu.css';

export interface MenuAction {
  label: string;
  /** A second line, or what sets it apart. */
  note?: string;
  icon?: IconName;
  keys?: string;
  danger?: boolean;
  /** It is one of several, and chosen or not. */
  checked?: boolean;
  /** Why it cannot be done; it stays in the menu and says so. */
  refused?: string;
  href?: string;
  onSelect?: () => void;
}

export type MenuItem = MenuAction | 'line';

interface Props {
  items: readonly MenuItem[];
  /** The name of the button where its content does not say it. */
  label?: string;
  children?: ReactNode;
  icon?: IconName;
  kind?: 'plain' | 'ghost' | 'solid';
  small?: boolean;
  align?: 'start' | 'end';
  busy?: boolean;
  refused?: string | undefined;
  className?: string;
}

/** A button with a menu (APG: menu button): arrows, Home, End, first letters, Escape. */
export function Menu({ items, children, align = 'end', ...button }: Props) {
  const [open, setOpen] = useState(false);
  const trigger = useRef<HTMLButtonElement>(null);
  const id = useId();
  const close = useCallback(() => setOpen(false), []);
  function leave() {
    setOpen(false);
    trigger.current?.focus();
  }
  return (
    <>
      <Button
        {...button}
        ref={trigger}
        iconEnd={children ? 'down' : undefined}
        aria-haspopup="menu"
        aria-expanded={open}
        aria-controls={open ? id : undefined}
        onClick={() => setOpen(!open)}
        onKeyDown={(event) => {
          if (event.key === 'ArrowDown' && !open) {
            event.preventDefault();
            setOpen(true);
          }
        }}
      >
        {children}
      </Button>
      {open && (
        <MenuPanel id={id} items={items} trigger={trigger} align={align} onLeave={leave} onClose={close} />
      )}
    </>
  );
}

interface PanelProps {
  id: string;
  items: readonly MenuItem[];
  trigger: React.RefObject<HTMLButtonElement | null>;
  align: 'start' | 'end';
  onLeave: () => void;
  onClose: () => void;
}

function MenuPanel({ id, items, trigger, align, onLeave, onClose }: PanelProps) {
  const panel = useRef<HTMLDivElement>(null);
  const [, navigate] = useLocation();
  useFloat({ open: true, anchor: trigger, panel, align, onClose });
  useEffect(() => {
    const list = entries(panel.current);
    (list.find((item) => item.ariaChecked === 'true') ?? list[0])?.focus();
  }, []);
  function choose(item: MenuAction) {
    if (item.refused) return;
    onLeave();
    if (item.href) navigate(item.href);
    item.onSelect?.();
  }
  return (
    <div
      ref={panel}
      id={id}
      className="menu float"
      popover="manual"
      role="menu"
      tabIndex={-1}
      onKeyDown={(event) => moveInMenu(event, panel.current, onLeave)}
    >
      {items.map((item, index) =>
        item === 'line' ? (
          // biome-ignore lint/suspicious/noArrayIndexKey: a line has no identity
          <hr key={index} />
        ) : (
          <MenuEntry key={item.label} item={item} onChoose={() => choose(item)} />
        ),
      )}
    </div>
  );
}

function MenuEntry({ item, onChoose }: { item: MenuAction; onChoose: () => void }) {
  const note = item.refused ?? item.note;
  return (
    <button
      type="button"
      role={item.checked === undefined ? 'menuitem' : 'menuitemradio'}
      {...(item.checked !== undefined && { 'aria-checked': item.checked })}
      aria-disabled={item.refused ? true : undefined}
      tabIndex={-1}
      className={item.danger ? 'danger' : undefined}
      onClick={onChoose}
    >
      {item.checked !== undefined && <span className="tick">{item.checked && <Icon name="check" />}</span>}
      {item.icon && <Icon name={item.icon} />}
      <span className="said">
        {item.label}
        {note && <small>{note}</small>}
      </span>
      {item.keys && <Kbd keys={item.keys} />}
    </button>
  );
}

function entries(panel: HTMLElement | null): HTMLElement[] {
  return panel ? [...panel.querySelectorAll<HTMLElement>('[role^=menuitem]')] : [];
}

function moveInMenu(event: KeyboardEvent, panel: HTMLElement | null, leave: () => void) {
  const list = entries(panel);
  const at = list.indexOf(document.activeElement as HTMLElement);
  const steps: Record<string, number> = {
    ArrowDown: at + 1,
    ArrowUp: at < 0 ? -1 : at - 1,
    Home: 0,
    End: list.length - 1,
  };
  const to = steps[event.key];
  if (to !== undefined) {
    event.preventDefault();
    list[(to + list.length) % list.length]?.focus();
  } else if (event.key === 'Escape' || event.key === 'Tab') {
    event.preventDefault();
    leave();
  } else if (event.key.length === 1 && !event.ctrlKey && !event.metaKey) {
    const asked = event.key.toLowerCase();
    const after = [...list.slice(at + 1), ...list.slice(0, at + 1)];
    after.find((item) => item.textContent?.trim().toLowerCase().startsWith(asked))?.focus();
  }
  event.stopPropagation();
}
