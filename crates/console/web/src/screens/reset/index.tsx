import { useState } from 'react';
import { Link } from 'wouter';
import { resetPassword } from '../../api/session';
import { Button } from '../../parts/Button';
import { Say } from '../../parts/Say';
import { words } from '../../words/en/login';
import { EntryPage } from '../login/EntryPage';
import { PasswordField } from '../login/PasswordField';
import { useSubmit } from '../login/useSubmit';
import { useVerification } from '../login/useVerification';

/** Where the link of a forgotten password leads. */
export default function Reset() {
  const verification = useVerification();
  const [isReplaced, setReplaced] = useState(false);
  if (!verification) {
    return (
      <EntryPage title={words.noLink}>
        <p>{words.noLinkWhy}</p>
        <p>
          <Link href="/forgot">{words.newLink}</Link>
        </p>
      </EntryPage>
    );
  }
  return (
    <EntryPage title={words.resetTitle}>
      {isReplaced ? (
        <>
          <Say tone="ok" news>
            {words.replaced}
          </Say>
          <p>
            <Link href="/login">{words.logIn}</Link>
          </p>
        </>
      ) : (
        <ResetForm verification={verification} onDone={() => setReplaced(true)} />
      )}
    </EntryPage>
  );
}

function ResetForm({ verification, onDone }: { verification: string; onDone: () => void }) {
  const [password, setPassword] = useState('');
  const { submit, form, isBusy, errorOf, message } = useSubmit(async () => {
    await resetPassword(verification, password);
    onDone();
  });
  const unknown = errorOf('/verification');
  return (
    <form ref={form} onSubmit={submit}>
      {(message ?? unknown) && (
        <Say tone="bad" news>
          {message ?? words.linkUnknown} {unknown && <Link href="/forgot">{words.newLink}</Link>}
        </Say>
      )}
      <p>{words.resetWhy}</p>
      <PasswordField value={password} onChange={setPassword} isNew error={errorOf('/password')} />
      <Button kind="solid" type="submit" busy={isBusy}>
        {words.replace}
      </Button>
    </form>
  );
}
