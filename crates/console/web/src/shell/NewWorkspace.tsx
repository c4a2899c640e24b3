import { type FormEvent, useId, useState } from 'react';
import { useLocation } from 'wouter';
import { Problem } from '../api/problem';
import { createWorkspace } from '../api/session';
import { Button } from '../parts/Button';
import { Dialog } from '../parts/Dialog';
import { Field } from '../parts/Field';
import { common } from '../words/en';
import { words } from '../words/en/shell';
import { Page } from './Page';

function useCreation() {
  const [name, setName] = useState('');
  const [error, setError] = useState<string>();
  const [isBusy, setBusy] = useState(false);
  const [, navigate] = useLocation();
  async function create(event: FormEvent) {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      navigate(`~/w/${await createWorkspace(name.trim())}`);
    } catch (failure) {
      if (!(failure instanceof Problem)) throw failure;
      setError(failure.message);
      setBusy(false);
    }
  }
  return { name, setName, error, isBusy, create };
}

/** The way to the first workspace. */
export function NewWorkspace() {
  const { name, setName, error, isBusy, create } = useCreation();
  return (
    <Page title={words.noWorkspace}>
      <form className="narrow-form" onSubmit={create}>
        <h1>{words.noWorkspace}</h1>
        <p className="dim">{words.noWorkspaceWhy}</p>
        <Field label={words.workspaceName} error={error}>
          {(field) => (
            <input
              {...field}
              className="input"
              value={name}
              required
              onChange={(e) => setName(e.target.value)}
            />
          )}
        </Field>
        <div className="btns">
          <Button kind="solid" type="submit" busy={isBusy}>
            {words.create}
          </Button>
        </div>
      </form>
    </Page>
  );
}

export function NewWorkspaceDialog({ onClose }: { onClose: () => void }) {
  const { name, setName, error, isBusy, create } = useCreation();
  const id = useId();
  return (
    <Dialog
      title={words.newWorkspace}
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>{common.cancel}</Button>
          <Button kind="solid" type="submit" form={id} busy={isBusy}>
            {words.create}
          </Button>
        </>
      }
    >
      <form id={id} onSubmit={create}>
        <Field label={words.workspaceName} error={error}>
          {(field) => (
            <input
              {...field}
              className="input"
              value={name}
              required
              autoFocus
              onChange={(e) => setName(e.target.value)}
            />
          )}
        </Field>
      </form>
    </Dialog>
  );
}
