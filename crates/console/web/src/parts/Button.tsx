import { type ComponentPropsWithRef, type MouseEvent, useId } from 'react';
import { Link } from 'wouter';
import { Icon, type IconName } from './Icon';
import { Kbd } from './Kbd';
import './Button.css';

interface Look {
  kind?: 'plain' | 'solid' | 'ghost' | 'danger';
  small?: boolean;
  icon?: IconName;
  iconEnd?: IconName;
  /** The shortcut, shown as a key cap: `R`, `mod+Enter`. */
  keys?: string;
  /** The name of a button that shows only its icon. */
  label?: string;
}

interface ButtonProps extends Look, Omit<ComponentPropsWithRef<'button'>, 'aria-label' | 'disabled'> {
  /** The action is going on: the label and the width stay, and it cannot be pressed again. */
  busy?: boolean;
  /** Why it cannot be pressed now. It stays focusable, and says this. */
  refused?: string | undefined;
}

/** A button. A view has one that is solid. */
export function Button({ kind, small, icon, iconEnd, keys, label, busy, refused, ...rest }: ButtonProps) {
  const reason = useId();
  const { children, onClick, className, ...attributes } = rest;
  const iconOnly = icon !== undefined && children === undefined;
  function press(event: MouseEvent<HTMLButtonElement>) {
    if (busy || refused) event.preventDefault();
    else onClick?.(event);
  }
  return (
    <button
      type="button"
      {...attributes}
      className={classes({ kind, small, iconOnly, className })}
      onClick={press}
      aria-label={label}
      aria-busy={busy || undefined}
      aria-disabled={busy || refused ? true : undefined}
      aria-describedby={refused ? reason : attributes['aria-describedby']}
      data-refused={refused}
      title={iconOnly && !refused ? label : attributes.title}
    >
      <Inside icon={icon} iconEnd={iconEnd} keys={keys} small={small}>
        {children}
      </Inside>
      {refused && (
        <span hidden id={reason}>
          {refused}
        </span>
      )}
    </button>
  );
}

interface LinkButtonProps extends Look, Omit<ComponentPropsWithRef<'a'>, 'aria-label' | 'href'> {
  href: string;
}

/** A link that looks like a button, for what has an address. */
export function LinkButton({ kind, small, icon, iconEnd, keys, label, ...rest }: LinkButtonProps) {
  const { children, className, ...attributes } = rest;
  const iconOnly = icon !== undefined && children === undefined;
  return (
    <Link {...attributes} className={classes({ kind, small, iconOnly, className })} aria-label={label}>
      <Inside icon={icon} iconEnd={iconEnd} keys={keys} small={small}>
        {children}
      </Inside>
    </Link>
  );
}

function Inside({ icon, iconEnd, keys, small, children }: Look & { children: React.ReactNode }) {
  return (
    <>
      {icon && <Icon name={icon} size={small ? 12 : 14} />}
      {children}
      {keys && <Kbd keys={keys} />}
      {iconEnd && <Icon name={iconEnd} size={12} />}
    </>
  );
}

interface Classes {
  kind: Look['kind'];
  small: boolean | undefined;
  iconOnly: boolean;
  className: string | undefined;
}

function classes({ kind, small, iconOnly, className }: Classes): string {
  const names = ['btn'];
  if (kind && kind !== 'plain') names.push(kind);
  if (small) names.push('small');
  if (iconOnly) names.push('icon');
  if (className) names.push(className);
  return names.join(' ');
}
