import { type ClipboardEvent, type KeyboardEvent, useId, useRef } from 'react';
import { words } from '../words/en/parts';
import { FieldError } from './Field';
import './CronField.css';

interface Props {
  /** Five fields with a space between them. */
  value: string;
  onChange: (value: string) => void;
  error?: string | undefined;
}

const FIELDS = 5;

/** A cron expression as five inputs that are one: ← → at their ends move on, a space too; a paste of five fills all. */
export function CronField({ value, onChange, error }: Props) {
  const box = useRef<HTMLFieldSetElement>(null);
  const errorId = useId();
  const given = value.trim().split(/\s+/);
  // What has more than five fields, or is a macro such as @daily, stands whole in the last one: nothing is lost.
  const fields = Array.from({ length: FIELDS }, (_, index) =>
    index === FIELDS - 1 ? given.slice(index).join(' ') : (given[index] ?? ''),
  );
  const set = (index: number, text: string) => {
    onChange(fields.map((field, place) => (place === index ? text.trim() : field) || '*').join(' '));
  };
  const move = (index: number) => {
    const input = box.current?.querySelectorAll('input')[index];
    input?.focus();
    input?.select();
    return input !== undefined;
  };
  function press(event: KeyboardEvent<HTMLInputElement>, index: number) {
    const { selectionStart, selectionEnd, value: text } = event.currentTarget;
    const whole = selectionStart === 0 && selectionEnd === text.length;
    const goesOn =
      event.key === ' ' || (event.key === 'ArrowRight' && (whole || selectionStart === text.length));
    const goesBack = event.key === 'ArrowLeft' && selectionStart === 0;
    if ((goesOn && move(index + 1)) || (goesBack && move(index - 1)) || event.key === ' ')
      event.preventDefault();
  }
  function paste(event: ClipboardEvent) {
    const text = event.clipboardData.getData('text').trim();
    if (text.split(/\s+/).length !== FIELDS && !text.startsWith('@')) return;
    event.preventDefault();
    onChange(MACROS[text.toLowerCase()] ?? text.replace(/\s+/g, ' '));
  }
  return (
    <div className="field">
      <fieldset className="cronbox" ref={box} aria-describedby={error ? errorId : undefined}>
        <legend className="vh">{words.cronLabel}</legend>
        <div className="five">
          {words.cronFields.map((name, index) => (
            <label key={name}>
              <input
                type="text"
                autoComplete="off"
                spellCheck={false}
                aria-invalid={error ? true : undefined}
                className={fields[index] === '*' ? undefined : 'on'}
                value={fields[index]}
                onFocus={(event) => event.target.select()}
                onChange={(event) => set(index, event.target.value)}
                onKeyDown={(event) => press(event, index)}
                onPaste={paste}
              />
              <span>{name}</span>
            </label>
          ))}
        </div>
      </fieldset>
      {error && <FieldError id={errorId}>{error}</FieldError>}
    </div>
  );
}

/** The macros of crontab(5), written out. */
const MACROS: Record<string, string> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
};
