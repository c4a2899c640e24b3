import { Link, Redirect } from 'wouter';
import { type Instance, useSession } from '../../api/session';
import { words } from '../../words/en/login';
import { EntryPage, useInstance } from '../login/EntryPage';
import { SignUpForm } from '../login/SignUpForm';
import { useVerification } from '../login/useVerification';
import { VerifyForm } from '../login/VerifyForm';

/** The sign-up, where the server has it. */
export default function SignUp() {
  const session = useSession();
  const instance = useInstance();
  if (session.state === 'open') return <Redirect to="/" replace />;
  return (
    <EntryPage title={words.signUpTitle}>
      {instance && <Forms instance={instance} />}
      <p className="dim">
        {words.haveAccount} <Link href="/login">{words.logIn}</Link>
      </p>
    </EntryPage>
  );
}

function Forms({ instance }: { instance: Instance }) {
  const verification = useVerification();
  if (instance.sign_up === 'invite') return <p>{words.byInvitation}</p>;
  if (instance.sign_up === 'closed') return <p>{words.closed}</p>;
  if (instance.mail && !verification) {
    return (
      <>
        <p>{words.verifyWhy}</p>
        <VerifyForm purpose="sign_up" />
      </>
    );
  }
  return <SignUpForm verification={verification} />;
}
