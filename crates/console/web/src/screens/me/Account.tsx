import { useState } from 'react';
import { useChangeEmail, useChangePassword, useDeleteMe, useRenameMe } from '../../api/queries/me';
import { logOut, useUser } from '../../api/session';
import { Button } from '../../parts/Button';
import { Fact, Facts } from '../../parts/Facts';
import { TextField } from '../../parts/Field';
import { Id } from '../../parts/Id';
import { Say } from '../../parts/Say';
import { toast } from '../../parts/toasts';
import { common } from '../../words/en';
import { words } from '../../words/en/me';
import { AskAndDo } from '../configure/AskAndDo';
import { Setting } from '../configure/Setting';
import { useInstance } from '../login/EntryPage';
import { useSubmit } from '../login/useSubmit';

/** The name, the address, the password, and the end of the account. */
export function Account() {
  const user = useUser();
  return (
    <>
      <Setting title={words.profile} text={words.profileText}>
        <Name key={user.name} name={user.name} />
        <Facts>
          <Fact name={words.email}>{user.email}</Fact>
          <Fact name={words.id}>
            <Id id={user.id} />
          </Fact>
        </Facts>
      </Setting>
      {useInstance()?.mail && (
        <Setting title={words.newEmail} text={words.newEmailText}>
          <Email />
        </Setting>
      )}
      <Setting title={words.password} text={words.passwordText}>
        <Password email={user.email} />
      </Setting>
      <Setting title={words.logOut} text={words.logOutText}>
        <div className="btns">
          <Button icon="logout" onClick={() => void logOut()}>
            {words.logOut}
          </Button>
        </div>
      </Setting>
      <Delete email={user.email} />
    </>
  );
}

function Name({ name }: { name: string }) {
  const [text, setText] = useState(name);
  const rename = useRenameMe();
  const { submit, form, isBusy, errorOf, message } = useSubmit(async () => {
    await rename.mutateAsync(text.trim());
    toast({ text: words.renamed });
  });
  const isChanged = text.trim() !== name && text.trim() !== '';
  return (
    <form ref={form} onSubmit={submit}>
      {message && <Refusal text={message} />}
      <TextField
        label={words.name}
        value={text}
        onChange={setText}
        autoComplete="name"
        required
        maxLength={200}
        changed={isChanged}
        error={errorOf('/name')}
      />
      <div className="btns">
        <Button type="submit" busy={isBusy} refused={isChanged ? undefined : words.unchanged}>
          {common.save}
        </Button>
      </div>
    </form>
  );
}

function Email() {
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  const [sentTo, setSentTo] = useState<string>();
  const change = useChangeEmail();
  const { submit, form, isBusy, errorOf, message } = useSubmit(async () => {
    setSentTo((await change.mutateAsync({ email: email.trim(), password })).email);
    setEmail('');
    setPassword('');
  });
  return (
    <form ref={form} onSubmit={submit}>
      {message && <Refusal text={message} />}
      {sentTo && (
        <Say tone="ok" news>
          {words.emailSent(sentTo)}
        </Say>
      )}
      <TextField
        label={words.newEmailLabel}
        type="email"
        autoComplete="email"
        required
        maxLength={254}
        value={email}
        onChange={setEmail}
        error={errorOf('/email')}
      />
      <TextField
        label={words.currentPassword}
        type="password"
        autoComplete="current-password"
        required
        value={password}
        onChange={setPassword}
        error={errorOf('/password')}
      />
      <div className="btns">
        <Button type="submit" busy={isBusy}>
          {words.sendLink}
        </Button>
      </div>
    </form>
  );
}

function Password({ email }: { email: string }) {
  const [current, setCurrent] = useState('');
  const [next, setNext] = useState('');
  const change = useChangePassword();
  const { submit, form, isBusy, errorOf, message } = useSubmit(async () => {
    await change.mutateAsync({ current, new: next });
    setCurrent('');
    setNext('');
    toast({ text: words.passwordChanged });
  });
  return (
    <form ref={form} onSubmit={submit}>
      {message && <Refusal text={message} />}
      {/* Password managers keep the new password for this address. */}
      <input
        className="vh"
        type="email"
        autoComplete="username"
        value={email}
        readOnly
        tabIndex={-1}
        aria-hidden
      />
      <TextField
        label={words.currentPassword}
        type="password"
        autoComplete="current-password"
        required
        value={current}
        onChange={setCurrent}
        error={errorOf('/current')}
      />
      <TextField
        label={words.newPassword}
        type="password"
        autoComplete="new-password"
        required
        minLength={10}
        maxLength={256}
        value={next}
        onChange={setNext}
        hint={words.newPasswordHint}
        error={errorOf('/new')}
      />
      <div className="btns">
        <Button type="submit" busy={isBusy}>
          {words.changePassword}
        </Button>
      </div>
    </form>
  );
}

function Refusal({ text }: { text: string }) {
  return (
    <Say tone="bad" news>
      {text}
    </Say>
  );
}

function Delete({ email }: { email: string }) {
  const [isAsked, setAsked] = useState(false);
  const remove = useDeleteMe();
  return (
    <Setting title={words.delete} text={words.deleteText} danger>
      <div className="btns">
        <Button kind="danger" icon="trash" onClick={() => setAsked(true)}>
          {words.delete}
        </Button>
      </div>
      {isAsked && (
        <AskAndDo
          title={words.askDelete}
          confirm={words.delete}
          typed={email}
          onConfirm={async () => {
            await remove.mutateAsync();
            await logOut();
            return 'stay';
          }}
          onClose={() => setAsked(false)}
        >
          <p>{words.askDeleteWhy}</p>
        </AskAndDo>
      )}
    </Setting>
  );
}
