import { useState } from 'react';
import { requestVerification } from '../../api/session';
import { Button } from '../../parts/Button';
import { TextField } from '../../parts/Field';
import { Say } from '../../parts/Say';
import { words } from '../../words/en/login';
import { useSubmit } from './useSubmit';

/** Asks for a link that is sent to an address. */
export function VerifyForm({ purpose }: { purpose: 'sign_up' | 'password_reset' }) {
  const [email, setEmail] = useState('');
  const [sentTo, setSentTo] = useState<string | null>(null);
  const { submit, form, isBusy, errorOf, message } = useSubmit(async () => {
    await requestVerification({ email: email.trim(), purpose });
    setSentTo(email.trim());
  });
  return (
    <form ref={form} onSubmit={submit}>
      {message && (
        <Say tone="bad" news>
          {message}
        </Say>
      )}
      {sentTo && !message && (
        <Say tone="ok" news>
          {purpose === 'sign_up' ? words.sentSignUp(sentTo) : words.sentReset(sentTo)}
        </Say>
      )}
      <TextField
        label={words.email}
        type="email"
        name="email"
        autoComplete="username"
        autoFocus
        required
        value={email}
        onChange={setEmail}
        error={errorOf('/email')}
      />
      <Button kind={sentTo ? 'plain' : 'solid'} type="submit" busy={isBusy}>
        {sentTo ? words.sendAgain : words.sendLink}
      </Button>
    </form>
  );
}
