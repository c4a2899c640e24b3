import { type FormEvent, useId, useState } from 'react';
import { type Challenge, settle, useChallenge } from '../api/challenge';
import { Problem } from '../api/problem';
import { confirmPassword, logIn, useUser } from '../api/session';
import { Button } from '../parts/Button';
import { Dialog } from '../parts/Dialog';
import { Field } from '../parts/Field';
import { common } from '../words/en';
import { words } from '../words/en/shell';

/** The dialog that a request waits for: to log in again, or to give the password again. */
export function Challenges() {
  const kind = useChallenge();
  return kind && <PasswordDialog key={kind} kind={kind} />;
}

function PasswordDialog({ kind }: { kind: Challenge }) {
  const { email } = useUser();
  const id = useId();
  const [password, setPassword] = useState('');
  const [error, setError] = useState<string>();
  const [isBusy, setBusy] = useState(false);
  async function submit(event: FormEvent) {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      if (kind === 'login') await logIn(email, password);
      else await confirmPassword(password);
      settle(true);
    } catch (failure) {
      if (!(failure instanceof Problem)) throw failure;
      setError(failure.retryAfter ? `${failure.message} ${words.wait(failure.retryAfter)}` : failure.message);
      setBusy(false);
    }
  }
  const isLogIn = kind === 'login';
  return (
    <Dialog
      title={isLogIn ? words.logInAgain : words.confirm}
      onClose={() => settle(false)}
      footer={
        <>
          <Button onClick={() => settle(false)}>{common.cancel}</Button>
          <Button kind="solid" type="submit" form={id} busy={isBusy}>
            {isLogIn ? words.logIn : words.confirmDo}
          </Button>
        </>
      }
    >
      <p>{isLogIn ? words.logInAgainWhy : words.confirmWhy}</p>
      <form id={id} className="ask-form" onSubmit={submit}>
        <Field label={words.email}>
          {(field) => (
            <input {...field} className="input" type="email" autoComplete="username" value={email} readOnly />
          )}
        </Field>
        <Field label={words.password} error={error}>
          {(field) => (
            <input
              {...field}
              className="input"
              type="password"
              autoComplete="current-password"
              required
              autoFocus
              value={password}
              onChange={(event) => setPassword(event.target.value)}
            />
          )}
        </Field>
      </form>
    </Dialog>
  );
}
