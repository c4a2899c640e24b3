import { type ClipboardEvent, type KeyboardEvent, useEffect, useId, useRef, useState } from 'react';
import { words } from '../words/en/parts';
import { Button } from './Button';
import { Icon } from './Icon';
import { Kbd } from './Kbd';
import { isShortcut } from './keys';
import { comboProps, Offers, useOffers } from './Offers';
import { completions, type QueryKey, splitQuery } from './query';
import './QueryBar.css';

export interface Chip {
  key: string;
  value: string;
}

interface Props {
  /** What is filtered: *Filter jobs*. */
  label: string;
  placeholder: string;
  text: string;
  chips: readonly Chip[];
  keys: readonly QueryKey[];
  onChange: (query: { text: string; chips: readonly Chip[] }) => void;
}

/** Words and chips that filter a list. `/` focuses it; `key:` completes; ← and Backspace reach the last chip. */
export function QueryBar({ label, placeholder, text, chips, keys, onChange }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const input = useRef<HTMLInputElement>(null);
  useFocusKey(input);
  const focus = () => input.current?.focus();
  const drop = (index: number) => {
    onChange({ text, chips: chips.filter((_, place) => place !== index) });
    focus();
  };
  return (
    <div className="query" ref={box}>
      <Icon name="filter" />
      {chips.map((chip, index) => (
        <ChipView key={`${chip.key}:${chip.value}`} chip={chip} onDrop={() => drop(index)} onBack={focus} />
      ))}
      <QueryInput
        {...{ label, placeholder, text, chips, keys, onChange, box, input }}
        onDropLast={() => drop(chips.length - 1)}
      />
      {chips.length > 0 || text ? (
        <Button
          kind="ghost"
          small
          icon="x"
          label={words.clear}
          onClick={() => onChange({ text: '', chips: [] })}
        />
      ) : (
        <Kbd keys="/" />
      )}
    </div>
  );
}

interface InputProps extends Props {
  box: React.RefObject<HTMLDivElement | null>;
  input: React.RefObject<HTMLInputElement | null>;
  onDropLast: () => void;
}

/** The field of the bar: what is typed filters at once as words, and becomes a chip when it is finished. */
function QueryInput({ label, placeholder, text, chips, keys, onChange, box, input, onDropLast }: InputProps) {
  const id = useId();
  const [typed, setTyped] = useState(text);
  useEffect(() => setTyped(text), [text]);
  const { open, at, show, close, move } = useOffers(-1);
  const offered = open ? completions(typed, keys) : [];
  const isOpen = offered.length > 0;
  const change = (next: string) => {
    const { chips: found, text: rest } = splitQuery(next, keys);
    const added = found.filter((it) => !chips.some((chip) => chip.key === it.key && chip.value === it.value));
    setTyped(rest);
    onChange({ text: rest.includes(':') ? text : rest.trim(), chips: [...chips, ...added] });
  };
  const take = (completed: string) => {
    const whole = typed.slice(0, typed.length - (typed.split(/\s/).pop()?.length ?? 0)) + completed;
    if (completed.endsWith(':')) setTyped(whole);
    else change(`${whole} `);
    show();
  };
  function press(event: KeyboardEvent<HTMLInputElement>) {
    const chosen = offered[at];
    if (isOpen && move(event, offered.length)) event.preventDefault();
    else if (event.key === 'Enter') chosen ? take(chosen.text) : change(`${typed} `);
    else if (event.key === 'Escape') isOpen ? close() : input.current?.blur();
    else if (event.key === 'Backspace' && typed === '' && chips.length > 0) onDropLast();
    else if (event.key === 'ArrowLeft' && event.currentTarget.selectionEnd === 0) focusLastChip(box.current);
    else return;
    event.preventDefault();
  }
  function paste(event: ClipboardEvent) {
    const pasted = event.clipboardData.getData('text');
    if (!pasted.includes(':')) return;
    event.preventDefault();
    change(`${typed}${pasted} `);
  }
  return (
    <>
      <input
        ref={input}
        type="text"
        {...comboProps(id, isOpen, at, offered.length)}
        aria-label={label}
        placeholder={chips.length === 0 ? placeholder : undefined}
        value={typed}
        onChange={({ target: { value } }) => {
          show();
          if (value.endsWith(' ') || !value.includes(':')) change(value);
          else setTyped(value);
        }}
        onFocus={() => show()}
        onKeyDown={press}
        onPaste={paste}
      />
      {isOpen && (
        <Offers
          {...{ id, at }}
          label={words.filterHelp}
          anchor={box}
          offers={offered.map((it) => ({ key: it.text, text: it.text, hint: it.hint }))}
          onTake={(index) => take(offered[index]?.text ?? '')}
          onClose={close}
        />
      )}
    </>
  );
}

function ChipView({ chip, onDrop, onBack }: { chip: Chip; onDrop: () => void; onBack: () => void }) {
  return (
    <span className="chip">
      <i>{chip.key}:</i>
      {chip.value}
      <button
        type="button"
        aria-label={words.dropFilter(`${chip.key}:${chip.value}`)}
        onClick={onDrop}
        onKeyDown={(event) => {
          if (event.key === 'Backspace' || event.key === 'Delete') onDrop();
          else if (event.key === 'ArrowRight') onBack();
        }}
      >
        <Icon name="x" size={10} />
      </button>
    </span>
  );
}

function focusLastChip(box: HTMLElement | null) {
  const buttons = box?.querySelectorAll<HTMLElement>('.chip button');
  buttons?.[buttons.length - 1]?.focus();
}

/** `/` moves the focus into the field. */
function useFocusKey(input: React.RefObject<HTMLInputElement | null>) {
  useEffect(() => {
    const press = (event: globalThis.KeyboardEvent) => {
      if (event.key !== '/' || !isShortcut(event)) return;
      event.preventDefault();
      input.current?.focus();
    };
    addEventListener('keydown', press);
    return () => removeEventListener('keydown', press);
  }, [input]);
}
