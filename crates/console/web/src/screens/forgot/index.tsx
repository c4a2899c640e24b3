import { Link } from 'wouter';
import { words } from '../../words/en/login';
import { EntryPage, useInstance } from '../login/EntryPage';
import { VerifyForm } from '../login/VerifyForm';

/** The first step to replace a forgotten password: a link by e-mail. */
export default function Forgot() {
  const instance = useInstance();
  return (
    <EntryPage title={words.forgotTitle}>
      {instance?.mail && (
        <>
          <p>{words.forgotWhy}</p>
          <VerifyForm purpose="password_reset" />
        </>
      )}
      {instance && !instance.mail && <p>{words.noMail}</p>}
      <p className="dim">
        <Link href="/login">{words.logIn}</Link>
      </p>
    </EntryPage>
  );
}
