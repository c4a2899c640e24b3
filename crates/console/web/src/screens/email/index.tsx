import { useState } from 'react';
import { Link } from 'wouter';
import { confirmEmail } from '../../api/session';
import { Button } from '../../parts/Button';
import { Say } from '../../parts/Say';
import { words } from '../../words/en/login';
import { EntryPage } from '../login/EntryPage';
import { useSubmit } from '../login/useSubmit';
import { useVerification } from '../login/useVerification';

/** Where the link to a new address leads. */
export default function NewEmail() {
  const verification = useVerification();
  const [email, setEmail] = useState<string>();
  if (!verification) {
    return (
      <EntryPage title={words.noLink}>
        <p>{words.noLinkWhy}</p>
      </EntryPage>
    );
  }
  return (
    <EntryPage title={words.emailTitle}>
      {email ? (
        <>
          <Say tone="ok" news>
            {words.emailChanged(email)}
          </Say>
          <p>
            <Link href="/">{words.toConsole}</Link>
          </p>
        </>
      ) : (
        <Confirm verification={verification} onDone={setEmail} />
      )}
    </EntryPage>
  );
}

// Programs that look at e-mail open links: only the button changes the address.
function Confirm({ verification, onDone }: { verification: string; onDone: (email: string) => void }) {
  const { submit, form, isBusy, errorOf, message } = useSubmit(async () => {
    onDone(await confirmEmail(verification));
  });
  const refusal = message ?? (errorOf('/verification') && words.linkUnknown);
  return (
    <form ref={form} onSubmit={submit}>
      {refusal && (
        <Say tone="bad" news>
          {refusal}
        </Say>
      )}
      <p>{words.emailWhy}</p>
      <Button kind="solid" type="submit" busy={isBusy}>
        {words.useEmail}
      </Button>
    </form>
  );
}
