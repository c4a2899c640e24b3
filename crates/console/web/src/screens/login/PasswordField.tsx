import { useState } from 'react';
import { Button } from '../../parts/Button';
import { Field } from '../../parts/Field';
import { words } from '../../words/en/login';

interface Props {
  value: string;
  onChange: (value: string) => void;
  isNew?: boolean;
  error?: string | undefined;
}

/** A password, which can be shown. */
export function PasswordField({ value, onChange, isNew, error }: Props) {
  const [isShown, setShown] = useState(false);
  return (
    <Field label={words.password} error={error} hint={isNew ? words.passwordHint : undefined}>
      {(control) => (
        <div className="password">
          <input
            {...control}
            className="input"
            type={isShown ? 'text' : 'password'}
            name="password"
            autoComplete={isNew ? 'new-password' : 'current-password'}
            minLength={isNew ? 10 : undefined}
            maxLength={256}
            spellCheck={false}
            autoCapitalize="none"
            required
            value={value}
            onChange={(event) => onChange(event.target.value)}
          />
          <Button
            kind="ghost"
            small
            aria-pressed={isShown}
            label={isShown ? words.hidePassword : words.showPassword}
            onClick={() => setShown(!isShown)}
          >
            {isShown ? words.hide : words.show}
          </Button>
        </div>
      )}
    </Field>
  );
}
