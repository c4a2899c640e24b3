import { type KeyboardEvent, useCallback, useId, useMemo, useRef, useState } from 'react';
import { words } from '../words/en/parts';
import { type ControlProps, Field, type FieldProps } from './Field';
import { Icon } from './Icon';
import { comboProps, Offers, useOffers } from './Offers';

export interface ComboOption {
  value: string;
  label: string;
  note?: string;
}

interface Choices {
  value: string;
  options: readonly ComboOption[];
  onChange: (value: string) => void;
  loading?: boolean;
  /** What is typed may be a value though it is not in the list. */
  free?: boolean;
  mono?: boolean;
  placeholder?: string;
}

const MAX_OFFERS = 100;

/** A field with a list that what is typed narrows (APG: editable combobox with list). */
export function Combobox({ label, labelHidden, hint, error, changed, ...choices }: FieldProps & Choices) {
  return (
    <Field {...{ label, labelHidden, hint, error, changed }}>
      {(control) => <ComboInput label={label} control={control} {...choices} />}
    </Field>
  );
}

function ComboInput({ label, control, ...choices }: Choices & { label: string; control: ControlProps }) {
  const { value, options, onChange, loading, free, mono, placeholder } = choices;
  const box = useRef<HTMLDivElement>(null);
  const list = useId();
  const { open, at, show, close, move } = useOffers(0);
  const [typed, setTyped] = useState<string | null>(null);
  const offered = useMemo(() => narrow(options, typed, value), [options, typed, value]);
  const leave = useCallback(() => {
    close();
    setTyped(null);
  }, [close]);
  const take = (option: ComboOption | undefined) => {
    if (option) onChange(option.value);
    else if (free && typed !== null) onChange(typed.trim());
    leave();
  };
  function press(event: KeyboardEvent) {
    if (!move(event, offered.length)) {
      if (event.key === 'Enter' && open) take(offered[at]);
      else if (event.key === 'Escape' && open) leave();
      else return;
    }
    event.preventDefault();
    event.stopPropagation();
  }
  return (
    <div className="selectbox" ref={box}>
      <input
        {...control}
        {...comboProps(list, open, at, offered.length)}
        className={mono ? 'input mono' : 'input'}
        placeholder={placeholder}
        value={typed ?? options.find((it) => it.value === value)?.label ?? value}
        onFocus={(event) => event.target.select()}
        onClick={() =>
          !open &&
          show(
            Math.max(
              0,
              offered.findIndex((it) => it.value === value),
            ),
          )
        }
        onChange={(event) => {
          setTyped(event.target.value);
          show();
        }}
        onBlur={() => free && typed !== null && onChange(typed.trim())}
        onKeyDown={press}
      />
      <Icon name="down" size={12} />
      {open && (
        <Offers
          {...{ id: list, label, at }}
          wide
          anchor={box}
          offers={offered.map((it) => ({ key: it.value, text: it.label, hint: it.note }))}
          empty={loading ? words.loading : free && typed ? words.use(typed) : words.noMatches}
          onTake={(index) => take(offered[index])}
          onClose={leave}
        />
      )}
    </div>
  );
}

function narrow(
  options: readonly ComboOption[],
  typed: string | null,
  value: string,
): readonly ComboOption[] {
  if (typed === null) {
    const at = options.findIndex((it) => it.value === value);
    return options.slice(Math.max(0, at - MAX_OFFERS / 2)).slice(0, MAX_OFFERS);
  }
  const asked = typed.trim().toLowerCase().replaceAll(' ', '_');
  const spoken = asked.replaceAll('_', ' ');
  const found = options.filter((it) => {
    const text = `${it.label} ${it.value}`.toLowerCase();
    return text.includes(asked) || text.includes(spoken);
  });
  return found.slice(0, MAX_OFFERS);
}
