import { Link, Redirect } from 'wouter';
import { useSession } from '../../api/session';
import { words } from '../../words/en/login';
import { EntryPage, useInstance } from '../login/EntryPage';
import { SignUpForm } from '../login/SignUpForm';

/** The sign-up, where the server has it. */
export default function SignUp() {
  const session = useSession();
  const instance = useInstance();
  if (session.state === 'open') return <Redirect to="/" replace />;
  return (
    <EntryPage title={words.signUpTitle}>
      {instance?.sign_up === 'open' && <SignUpForm invitation={null} />}
      {instance && instance.sign_up !== 'open' && (
        <p>{instance.sign_up === 'invite' ? words.byInvitation : words.closed}</p>
      )}
      <p className="dim">
        {words.haveAccount} <Link href="/login">{words.logIn}</Link>
      </p>
    </EntryPage>
  );
}
