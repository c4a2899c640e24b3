import { useRef } from 'react';
import { words } from '../words/en/parts';
import { Button } from './Button';
import { FieldError } from './Field';
import { SecretInput } from './SecretInput';
import './HeadersField.css';

export interface HeaderRow {
  name: string;
  value: string;
}

interface Props {
  rows: readonly HeaderRow[];
  onChange: (rows: readonly HeaderRow[]) => void;
  /** The names of the secrets of the workspace; undefined while they are not known. */
  secrets: readonly string[] | undefined;
  /** What the API says of a row. */
  errors?: Readonly<Record<number, string>>;
}

const COMMON = ['Accept', 'Authorization', 'Content-Type', 'Idempotency-Key', 'User-Agent', 'X-Api-Key'];

/** Rows of name and value. Enter in the last adds a row; `secret://` completes, and a secret that is missing is said. */
export function HeadersField({ rows, onChange, secrets, errors = {} }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const set = (index: number, change: Partial<HeaderRow>) =>
    onChange(rows.map((row, place) => (place === index ? { ...row, ...change } : row)));
  const add = () => {
    onChange([...rows, { name: '', value: '' }]);
    requestAnimationFrame(() => box.current?.querySelector<HTMLElement>('.kv:last-of-type input')?.focus());
  };
  const remove = (index: number) => {
    onChange(rows.filter((_, place) => place !== index));
    box.current?.querySelector<HTMLElement>('[data-add]')?.focus();
  };
  return (
    <div className="headers" ref={box}>
      <datalist id="header-names">
        {COMMON.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
      {rows.map((row, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a row is its place; names repeat
        <div className="kv" key={index}>
          <input
            className="input mono"
            aria-label={words.header}
            aria-invalid={errors[index] ? true : undefined}
            list="header-names"
            autoComplete="off"
            spellCheck={false}
            value={row.name}
            onChange={(event) => set(index, { name: event.target.value })}
          />
          <SecretInput
            label={words.headerValue(row.name)}
            value={row.value}
            secrets={secrets}
            onChange={(value) => set(index, { value })}
            onEnter={index === rows.length - 1 ? add : undefined}
          />
          <Button
            kind="ghost"
            small
            icon="x"
            label={words.remove(row.name || words.header)}
            onClick={() => remove(index)}
          />
          {errors[index] && <FieldError>{errors[index]}</FieldError>}
        </div>
      ))}
      <div>
        <Button small icon="plus" onClick={add} data-add="">
          {words.addHeader}
        </Button>
      </div>
    </div>
  );
}
