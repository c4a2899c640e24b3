import { useState } from 'react';
import { BASE } from '../../api/client';
import { signUp } from '../../api/session';
import { Button } from '../../parts/Button';
import { TextField } from '../../parts/Field';
import { Say } from '../../parts/Say';
import { words } from '../../words/en/login';
import { PasswordField } from './PasswordField';
import { useSubmit } from './useSubmit';

interface Props {
  invitation?: string;
  /** What was sent to the address. */
  verification?: string | null;
  onDone?: (workspace: string | null) => void;
}

/** A new user, with a workspace of their own or in that of an invitation. */
export function SignUpForm({ invitation, verification, onDone }: Props) {
  const [email, setEmail] = useState('');
  const [name, setName] = useState('');
  const [workspace, setWorkspace] = useState('');
  const [password, setPassword] = useState('');
  const { submit, form, isBusy, errorOf, message } = useSubmit(async () => {
    const joined = await signUp({
      email: email.trim(),
      password,
      name: name.trim() || null,
      ...(invitation ? { invitation } : { workspace_name: workspace.trim() || null }),
      ...(verification && { verification }),
    });
    onDone?.(joined);
  });
  const unknown = errorOf('/verification');
  return (
    <form ref={form} onSubmit={submit}>
      {(message ?? unknown) && (
        <Say tone="bad" news>
          {message ?? words.linkUnknown} {unknown && <a href={`${BASE}signup`}>{words.newLink}</a>}
        </Say>
      )}
      <TextField
        label={words.name}
        value={name}
        onChange={setName}
        autoComplete="name"
        autoFocus
        error={errorOf('/name')}
      />
      <TextField
        label={words.email}
        type="email"
        name="email"
        autoComplete="username"
        required
        value={email}
        onChange={setEmail}
        error={errorOf('/email')}
      />
      <PasswordField value={password} onChange={setPassword} isNew error={errorOf('/password')} />
      {!invitation && (
        <TextField
          label={words.workspace}
          value={workspace}
          onChange={setWorkspace}
          autoComplete="organization"
          hint={words.workspaceHint}
          error={errorOf('/workspace_name')}
        />
      )}
      <Button kind="solid" type="submit" busy={isBusy}>
        {words.createAccount}
      </Button>
    </form>
  );
}
