import { type KeyboardEvent, useId, useRef } from 'react';
import { words } from '../words/en/parts';
import { comboProps, Offers, useOffers } from './Offers';

interface Props {
  label: string;
  value: string;
  secrets: readonly string[] | undefined;
  onChange: (value: string) => void;
  onEnter?: (() => void) | undefined;
}

const REFERENCE = /secret:\/\/([A-Za-z0-9_.-]*)/g;
const BEGUN = /secret:\/\/([A-Za-z0-9_.-]*)$/;
const MAX_OFFERS = 20;

/** A value in which `secret://` completes to the names of secrets; it says of each whether it exists. */
export function SecretInput({ label, value, secrets, onChange, onEnter }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const id = useId();
  const { open, at, show, close, move } = useOffers(0);
  const offered = open ? completing(value, secrets ?? []) : [];
  const isOpen = offered.length > 0;
  const take = (name: string | undefined) => {
    if (name) onChange(value.replace(BEGUN, `secret://${name}`));
    close();
  };
  function press(event: KeyboardEvent) {
    const enter = event.key === 'Enter' && !event.metaKey && !event.ctrlKey;
    if (isOpen && move(event, offered.length)) event.preventDefault();
    else if (enter && isOpen) take(offered[at]);
    else if (enter && onEnter) onEnter();
    else if (event.key === 'Escape' && isOpen) close();
    else return;
    event.preventDefault();
  }
  const missing = secrets && named(value).filter((name) => !secrets.includes(name));
  return (
    <div ref={box}>
      <input
        {...comboProps(id, isOpen, at, offered.length)}
        className="input mono"
        aria-label={label}
        aria-describedby={`${id}-note`}
        value={value}
        onChange={(event) => {
          show();
          onChange(event.target.value);
        }}
        onKeyDown={press}
      />
      <p className="hint secret-note" id={`${id}-note`}>
        {missing?.map((name) => (
          <span key={name} className="warn-text">
            {words.secretMissing(name)}
          </span>
        ))}
      </p>
      {isOpen && (
        <Offers
          {...{ id, label, at }}
          wide
          anchor={box}
          offers={offered.map((name) => ({ key: name, text: <code>{name}</code> }))}
          onTake={(index) => take(offered[index])}
          onClose={close}
        />
      )}
    </div>
  );
}

/** The secrets that the reference at the end of a text can become. */
function completing(text: string, secrets: readonly string[]): string[] {
  const begun = BEGUN.exec(text)?.[1];
  if (begun === undefined) return [];
  return secrets.filter((it) => it.includes(begun) && it !== begun).slice(0, MAX_OFFERS);
}

/** The secrets that a text names. */
function named(text: string): string[] {
  return [...new Set([...text.matchAll(REFERENCE)].map((it) => it[1] ?? '').filter((it) => it !== ''))];
}
