import { type UIEvent, useRef } from 'react';
import { bytes } from '../format';
import { words } from '../words/en/parts';
import { Field, type FieldProps } from './Field';
import './BodyField.css';

interface Props extends FieldProps {
  value: string;
  onChange: (value: string) => void;
  /** The body is said to be JSON: whether it is one is checked. Invalid JSON is allowed. */
  json: boolean;
  maxBytes: number;
}

/** Text with line numbers. Tab leaves it, as it leaves every field. */
export function BodyField({ value, onChange, json, maxBytes, hint, error, ...field }: Props) {
  const gutter = useRef<HTMLDivElement>(null);
  const lines = value.split('\n').length;
  const size = new TextEncoder().encode(value).length;
  const problem = size > maxBytes ? words.tooLarge(bytes(maxBytes)) : error;
  const note = json && value.trim() !== '' ? jsonError(value) : null;
  const scroll = (event: UIEvent<HTMLTextAreaElement>) => {
    if (gutter.current) gutter.current.scrollTop = event.currentTarget.scrollTop;
  };
  return (
    <Field
      {...field}
      error={problem}
      hint={
        <>
          {note !== null && <span className="warn-text">{words.invalidJson(note)} </span>}
          {hint} <span className="faint">{bytes(size)}</span>
        </>
      }
    >
      {(control) => (
        <div className="bodybox">
          <div className="gutter" ref={gutter} aria-hidden="true">
            {Array.from({ length: lines }, (_, index) => index + 1).join('\n')}
          </div>
          <textarea
            {...control}
            rows={Math.min(16, Math.max(6, lines))}
            spellCheck={false}
            autoComplete="off"
            wrap="off"
            value={value}
            onChange={(event) => onChange(event.target.value)}
            onScroll={scroll}
          />
        </div>
      )}
    </Field>
  );
}

/** The line at which a text stops being JSON; null if it is JSON. Variables in braces are allowed. */
function jsonError(text: string): number | null {
  try {
    JSON.parse(text.replace(/\{\{\s*[\w.]+\s*\}\}/g, '0'));
    return null;
  } catch (error) {
    const said = String(error);
    const line = /line (\d+)/.exec(said)?.[1];
    if (line) return Number(line);
    const at = Number(/position (\d+)/.exec(said)?.[1] ?? text.length);
    return text.slice(0, at).split('\n').length;
  }
}
