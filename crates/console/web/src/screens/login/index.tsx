import { useState } from 'react';
import { Link, Redirect, useSearchParams } from 'wouter';
import { logIn, useSession } from '../../api/session';
import { Button } from '../../parts/Button';
import { Field } from '../../parts/Field';
import { Say } from '../../parts/Say';
import { words } from '../../words/en/login';
import { EntryPage, useInstance } from './EntryPage';
import { PasswordField } from './PasswordField';
import { useSubmit } from './useSubmit';

/** The log-in. It leads to `?next=`, a path of this console. */
export default function LogIn() {
  const session = useSession();
  const [params] = useSearchParams();
  const next = params.get('next') ?? '/';
  if (session.state === 'open') return <Redirect to={next.startsWith('/') ? next : '/'} replace />;
  return (
    <EntryPage title={words.logInTo}>
      <LogInForm />
      <Forgotten />
      <HowToSignUp />
    </EntryPage>
  );
}

/** E-mail and password; the session opens with it, and the page goes on by itself. */
export function LogInForm() {
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  const { submit, form, isBusy, errorOf, message } = useSubmit(() => logIn(email.trim(), password));
  return (
    <form ref={form} onSubmit={submit}>
      {message && (
        <Say tone="bad" news>
          {message}
        </Say>
      )}
      <Field label={words.email} error={errorOf('/email')}>
        {(control) => (
          <input
            {...control}
            className="input"
            type="email"
            name="email"
            autoComplete="username"
            // biome-ignore lint/a11y/noAutofocus: to log in is the one purpose of this page
            autoFocus
            required
            value={email}
            onChange={(event) => setEmail(event.target.value)}
          />
        )}
      </Field>
      <PasswordField value={password} onChange={setPassword} error={errorOf('/password')} />
      <Button kind="solid" type="submit" busy={isBusy}>
        {words.logIn}
      </Button>
    </form>
  );
}

function Forgotten() {
  if (!useInstance()?.mail) return null;
  return (
    <p className="dim">
      <Link href="/forgot">{words.forgot}</Link>
    </p>
  );
}

function HowToSignUp() {
  const instance = useInstance();
  if (!instance) return null;
  if (instance.sign_up === 'open') {
    return (
      <p className="dim">
        {words.noAccount} <Link href="/signup">{words.signUp}</Link>
      </p>
    );
  }
  if (!instance.has_users) return <p className="dim">{words.noUsers}</p>;
  return <p className="dim small">{instance.sign_up === 'invite' ? words.byInvitation : words.closed}</p>;
}
