import { useState } from 'react';
import { Link, useLocation } from 'wouter';
import { acceptInvitation, logOut, useSession } from '../../api/session';
import { Button } from '../../parts/Button';
import { Say } from '../../parts/Say';
import { Tabs } from '../../parts/Tabs';
import { words } from '../../words/en/login';
import { LogInForm } from '../login';
import { EntryPage, useInstance } from '../login/EntryPage';
import { SignUpForm } from '../login/SignUpForm';
import { useSubmit } from '../login/useSubmit';

/** An invitation. It stands behind # in the address, so that no log has it. */
export default function Accept() {
  const [invitation] = useState(() => /^#?(tri_[0-9A-Za-z]+)$/.exec(location.hash)?.[1] ?? null);
  const session = useSession();
  if (!invitation) {
    return (
      <EntryPage title={words.noInvitation}>
        <p>{words.noInvitationWhy}</p>
        <p>
          <Link href="/">{words.toConsole}</Link>
        </p>
      </EntryPage>
    );
  }
  return (
    <EntryPage title={words.acceptTitle}>
      {session.state === 'open' && <AsUser email={session.user.email} invitation={invitation} />}
      {session.state === 'none' && <AsStranger invitation={invitation} />}
    </EntryPage>
  );
}

function AsUser({ email, invitation }: { email: string; invitation: string }) {
  const [, navigate] = useLocation();
  const { submit, form, isBusy, message, errorOf } = useSubmit(async () => {
    const joined = await acceptInvitation(invitation);
    navigate(`/w/${joined.id}`, { replace: true });
  });
  const said = message ?? errorOf('/invitation');
  return (
    <form ref={form} onSubmit={submit}>
      {said && (
        <Say tone="bad" news>
          {said}
        </Say>
      )}
      <p>{words.acceptAs(email)}</p>
      <Button kind="solid" type="submit" busy={isBusy}>
        {words.accept}
      </Button>
      <Button kind="ghost" onClick={() => void logOut(location.href)}>
        {words.other}
      </Button>
    </form>
  );
}

function AsStranger({ invitation }: { invitation: string }) {
  const [tab, setTab] = useState<'signup' | 'login'>('signup');
  const instance = useInstance();
  const [, navigate] = useLocation();
  return (
    <>
      <p>{words.acceptWhy}</p>
      {instance && instance.sign_up === 'closed' ? (
        <LogInForm />
      ) : (
        <Tabs
          id="accept"
          label={words.acceptTitle}
          tabs={[
            { id: 'signup', label: words.signUp },
            { id: 'login', label: words.logIn },
          ]}
          chosen={tab}
          onChoose={setTab}
        >
          {tab === 'signup' ? (
            <SignUpForm
              invitation={invitation}
              onDone={(workspace) => navigate(workspace ? `/w/${workspace}` : '/', { replace: true })}
            />
          ) : (
            <LogInForm />
          )}
        </Tabs>
      )}
    </>
  );
}
