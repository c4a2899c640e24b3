import { type ComponentPropsWithRef, type ReactNode, useId } from 'react';
import { words } from '../words/en/parts';
import { Icon } from './Icon';
import './Field.css';

export interface FieldProps {
  label: string;
  /** The label is for assistive technology only. */
  labelHidden?: boolean;
  hint?: ReactNode;
  /** What the API says of this field. The first field with an error is focused by `focusFirstError`. */
  error?: string | undefined;
  /** It differs from what is saved. */
  changed?: boolean;
}

/** What a control has to carry so that its label, hint and error belong to it. */
export interface ControlProps {
  id: string;
  'aria-describedby': string | undefined;
  'aria-invalid': true | undefined;
}

/** A label, a control, a hint, an error. */
export function Field({
  label,
  labelHidden,
  hint,
  error,
  changed,
  children,
}: FieldProps & { children: (control: ControlProps) => ReactNode }) {
  const id = useId();
  const described = [error && `${id}-error`, hint && `${id}-hint`].filter(Boolean).join(' ');
  return (
    <div className="field">
      <label htmlFor={id} className={labelHidden ? 'vh' : undefined}>
        {label}
        {changed && <span className="changed" title={words.changed} role="img" aria-label={words.changed} />}
      </label>
      {children({ id, 'aria-describedby': described || undefined, 'aria-invalid': error ? true : undefined })}
      {error && <FieldError id={`${id}-error`}>{error}</FieldError>}
      {hint && (
        <div className="hint" id={`${id}-hint`}>
          {hint}
        </div>
      )}
    </div>
  );
}

/** The error of a field, where it stands by itself. */
export function FieldError({ id, children }: { id?: string; children: ReactNode }) {
  return (
    <p className="field-error" id={id}>
      <Icon name="warning" size={12} />
      <span>{children}</span>
    </p>
  );
}

/** Moves the focus to the first field with an error below a node, and says whether there is one. */
export function focusFirstError(root: ParentNode | null): boolean {
  const first = root?.querySelector<HTMLElement>('[aria-invalid="true"]');
  first?.focus();
  return first !== null && first !== undefined;
}

interface TextProps
  extends FieldProps,
    Omit<ComponentPropsWithRef<'input'>, 'onChange' | 'value' | 'children'> {
  value: string;
  onChange: (value: string) => void;
  mono?: boolean;
}

/** A field of one line. */
export function TextField({ label, labelHidden, hint, error, changed, mono, onChange, ...input }: TextProps) {
  return (
    <Field {...{ label, labelHidden, hint, error, changed }}>
      {(control) => (
        <input
          autoComplete="off"
          {...input}
          {...control}
          className={mono ? 'input mono' : 'input'}
          onChange={(event) => onChange(event.target.value)}
        />
      )}
    </Field>
  );
}

interface AreaProps
  extends FieldProps,
    Omit<ComponentPropsWithRef<'textarea'>, 'onChange' | 'value' | 'children'> {
  value: string;
  onChange: (value: string) => void;
  mono?: boolean;
}

/** A field of several lines. */
export function AreaField({ label, labelHidden, hint, error, changed, mono, onChange, ...area }: AreaProps) {
  return (
    <Field {...{ label, labelHidden, hint, error, changed }}>
      {(control) => (
        <textarea
          spellCheck={!mono}
          {...area}
          {...control}
          className={mono ? 'input mono' : 'input'}
          onChange={(event) => onChange(event.target.value)}
        />
      )}
    </Field>
  );
}

export interface SelectOption<Value extends string = string> {
  value: Value;
  label: string;
  disabled?: boolean;
}

interface SelectProps<Value extends string> extends FieldProps {
  value: Value;
  options: readonly SelectOption<Value>[];
  onChange: (value: Value) => void;
  name?: string;
}

/** One of several, in the platform's list. */
export function SelectField<Value extends string>({
  value,
  options,
  onChange,
  name,
  ...field
}: SelectProps<Value>) {
  return (
    <Field {...field}>
      {(control) => (
        <div className="selectbox">
          <select
            {...control}
            name={name}
            className="select"
            value={value}
            onChange={(e) => onChange(e.target.value as Value)}
          >
            {options.map((option) => (
              <option key={option.value} value={option.value} disabled={option.disabled}>
                {option.label}
              </option>
            ))}
          </select>
          <Icon name="down" size={12} />
        </div>
      )}
    </Field>
  );
}

interface CheckProps {
  checked: boolean;
  onChange: (checked: boolean) => void;
  label: ReactNode;
  hint?: ReactNode;
  disabled?: boolean;
}

/** A box to tick, with its label. */
export function CheckField({ checked, onChange, label, hint, disabled }: CheckProps) {
  const id = useId();
  return (
    <div className="checkfield">
      <input
        id={id}
        className="check"
        type="checkbox"
        checked={checked}
        disabled={disabled}
        aria-describedby={hint ? `${id}-hint` : undefined}
        onChange={(event) => onChange(event.target.checked)}
      />
      <label htmlFor={id}>{label}</label>
      {hint && (
        <span className="hint" id={`${id}-hint`}>
          {hint}
        </span>
      )}
    </div>
  );
}
