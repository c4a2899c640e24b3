import { useState } from 'react';
import { Problem } from '../../api/problem';
import { useDeleteWorkspace, useRenameWorkspace } from '../../api/queries/workspace';
import { loadSession } from '../../api/session';
import { Button } from '../../parts/Button';
import { Fact, Facts } from '../../parts/Facts';
import { TextField } from '../../parts/Field';
import { Id } from '../../parts/Id';
import { Say } from '../../parts/Say';
import { toast } from '../../parts/toasts';
import { Page } from '../../shell/Page';
import { useWorkspace } from '../../shell/workspace';
import { common } from '../../words/en';
import { words } from '../../words/en/settings';
import { AskAndDo } from '../configure/AskAndDo';
import { Head } from '../configure/Head';
import { Setting } from '../configure/Setting';
import { useSubmit } from '../login/useSubmit';
import { SigningSecret } from './SigningSecret';

/** The workspace itself. */
export default function Settings() {
  const { id, name, role } = useWorkspace();
  // The role is part of the session: unlike the scopes, it is there from the start.
  const isAdmin = role === 'owner' || role === 'admin';
  return (
    <Page title={words.title}>
      <Head title={words.title}>{words.about}</Head>
      <Setting title={words.workspace} text={isAdmin ? words.nameText : words.readOnly(role)}>
        {isAdmin ? (
          <Rename key={name} name={name} />
        ) : (
          <Facts>
            <Fact name={words.name}>{name}</Fact>
          </Facts>
        )}
        <Facts>
          <Fact name={words.id}>
            <Id id={id} />
          </Fact>
          <Fact name={words.role}>{words.roles[role] ?? role}</Fact>
        </Facts>
      </Setting>
      {isAdmin && <SigningSecret />}
      {role === 'owner' && <Delete name={name} />}
    </Page>
  );
}

function Rename({ name }: { name: string }) {
  const [text, setText] = useState(name);
  const rename = useRenameWorkspace();
  const { submit, form, isBusy, errorOf, message } = useSubmit(async () => {
    await rename.mutateAsync(text.trim());
    toast({ text: words.renamed(text.trim()), undo: () => rename.mutateAsync(name) });
  });
  const isChanged = text.trim() !== name && text.trim() !== '';
  return (
    <form ref={form} onSubmit={submit}>
      {message && (
        <Say tone="bad" news>
          {message}
        </Say>
      )}
      <TextField
        label={words.name}
        value={text}
        onChange={setText}
        maxLength={200}
        required
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

function Delete({ name }: { name: string }) {
  const [isAsked, setAsked] = useState(false);
  const remove = useDeleteWorkspace();
  return (
    <Setting title={words.delete} text={words.deleteText} danger>
      <div className="btns">
        <Button kind="danger" icon="trash" onClick={() => setAsked(true)}>
          {words.delete}
        </Button>
      </div>
      {isAsked && (
        <AskAndDo
          title={words.askDelete(name)}
          confirm={words.delete}
          typed={name}
          onConfirm={async () => {
            await remove.mutateAsync();
            await leave();
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

// A whole new page: nothing of the workspace stays in memory. Without another workspace, it offers a new one.
async function leave() {
  await loadSession().catch((error: unknown) => {
    if (!(error instanceof Problem)) throw error;
  });
  location.assign(document.baseURI);
}
