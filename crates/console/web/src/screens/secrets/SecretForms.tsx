import { useState } from 'react';
import { useLocation } from 'wouter';
import { Problem } from '../../api/problem';
import { useCreateSecret, useReplaceSecret } from '../../api/queries/secrets';
import { Button } from '../../parts/Button';
import { Field, TextField } from '../../parts/Field';
import { toast } from '../../parts/toasts';
import { words } from '../../words/en/secrets';
import { FormDialog } from '../configure/FormDialog';

/** A new secret; `name` if it is asked for from elsewhere. */
export function NewSecret({ name: asked, onClose }: { name: string; onClose: () => void }) {
  const [name, setName] = useState(asked);
  const [value, setValue] = useState('');
  const [isTaken, setTaken] = useState(false);
  const create = useCreateSecret();
  const [, navigate] = useLocation();
  async function submit() {
    setTaken(false);
    try {
      const secret = await create.mutateAsync({ name, value });
      toast({ text: [words.created(name), ...(secret.warnings ?? [])].join(' ') });
      navigate(`/secrets/${encodeURIComponent(name)}`);
    } catch (error) {
      if (!(error instanceof Problem) || error.code !== 'secret_exists') throw error;
      setTaken(true);
    }
  }
  return (
    <FormDialog title={words.newTitle} confirm={words.create} onSubmit={submit} onClose={onClose}>
      {(errorOf) => (
        <>
          <TextField
            label={words.name}
            mono
            required
            maxLength={64}
            spellCheck={false}
            autoCapitalize="none"
            autoFocus={asked === ''}
            value={name}
            onChange={(text) => setName(text.toLowerCase().replaceAll(' ', '-'))}
            error={isTaken ? words.taken : errorOf('/name')}
            hint={words.nameHint(name || words.example)}
          />
          <ValueField value={value} onChange={setValue} autoFocus={asked !== ''} error={errorOf('/value')} />
        </>
      )}
    </FormDialog>
  );
}

/** A new value for a secret that exists. The old value is not shown: no response contains it. */
export function ReplaceSecret({ name, onClose }: { name: string; onClose: () => void }) {
  const [value, setValue] = useState('');
  const replace = useReplaceSecret();
  async function submit() {
    const secret = await replace.mutateAsync({ name, value });
    toast({ text: [words.replaced(name, secret.version), ...(secret.warnings ?? [])].join(' ') });
    onClose();
  }
  return (
    <FormDialog
      title={words.replaceTitle(name)}
      confirm={words.replaceDo}
      onSubmit={submit}
      onClose={onClose}
    >
      {(errorOf) => (
        <>
          <p>{words.replaceWhy}</p>
          <ValueField value={value} onChange={setValue} autoFocus error={errorOf('/value')} />
        </>
      )}
    </FormDialog>
  );
}

interface ValueProps {
  value: string;
  onChange: (value: string) => void;
  autoFocus: boolean;
  error: string | undefined;
}

/** A value: hidden while it is typed, and not for password managers. */
function ValueField({ value, onChange, autoFocus, error }: ValueProps) {
  const [isShown, setShown] = useState(false);
  return (
    <Field label={words.value} error={error} hint={words.valueHint}>
      {(control) => (
        <div className="secret-value">
          <input
            {...control}
            className="input mono"
            type={isShown ? 'text' : 'password'}
            autoComplete="off"
            data-1p-ignore
            data-lpignore="true"
            spellCheck={false}
            required
            // biome-ignore lint/a11y/noAutofocus: the dialog was opened to type it
            autoFocus={autoFocus}
            value={value}
            onChange={(event) => onChange(event.target.value)}
          />
          <Button
            kind="ghost"
            small
            aria-pressed={isShown}
            label={isShown ? words.hideValue : words.showValue}
            onClick={() => setShown(!isShown)}
          >
            {isShown ? words.hide : words.show}
          </Button>
        </div>
      )}
    </Field>
  );
}
