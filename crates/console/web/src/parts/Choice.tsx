import { type KeyboardEvent, useRef } from 'react';
import './Choice.css';

export interface Option<Value extends string> {
  value: Value;
  label: string;
  /** Why it cannot be chosen. */
  refused?: string;
}

interface Props<Value extends string> {
  /** What is chosen here, for assistive technology. */
  label: string;
  value: Value;
  options: readonly Option<Value>[];
  onChange: (value: Value) => void;
}

/** A choice of one of few, as radio buttons: the arrow keys choose. */
export function Choice<Value extends string>({ label, value, options, onChange }: Props<Value>) {
  const group = useRef<HTMLDivElement>(null);
  function move(event: KeyboardEvent) {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const open = options.filter((option) => !option.refused);
    const at = open.findIndex((option) => option.value === value);
    const next = open[(at + step + open.length) % open.length];
    if (!next) return;
    onChange(next.value);
    group.current?.querySelector<HTMLElement>(`[data-value="${CSS.escape(next.value)}"]`)?.focus();
  }
  const known = options.some((option) => option.value === value);
  return (
    <div className="seg" role="radiogroup" aria-label={label} ref={group} onKeyDown={move}>
      {options.map((option, index) => (
        // biome-ignore lint/a11y/useSemanticElements: a radio input cannot be drawn as a segment that is pressed
        <button
          key={option.value}
          type="button"
          role="radio"
          aria-checked={option.value === value}
          aria-disabled={option.refused ? true : undefined}
          title={option.refused}
          tabIndex={option.value === value || (!known && index === 0) ? 0 : -1}
          data-value={option.value}
          onClick={() => !option.refused && onChange(option.value)}
        >
          {option.label}
        </button>
      ))}
    </div>
  );
}
