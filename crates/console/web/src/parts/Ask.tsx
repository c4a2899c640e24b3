import { type FormEvent, type ReactNode, useId, useState } from 'react';
import { words } from '../words/en/parts';
import { Button } from './Button';
import { Dialog } from './Dialog';
import './Field.css';

interface Props {
  /** A question that names and counts: *Delete 12 jobs?* */
  title: string;
  /** The verb of the button: *Delete 12 jobs*. */
  confirm: string;
  /** What has to be typed before it can be done. */
  typed?: string;
  danger?: boolean;
  busy?: boolean;
  onConfirm: () => void;
  onClose: () => void;
  children?: ReactNode;
}

/** A question before what cannot be undone. The focus begins on the safe button, or in the field to type in. */
export function Ask({ title, confirm, typed, danger = true, busy, onConfirm, onClose, children }: Props) {
  const [text, setText] = useState('');
  const id = useId();
  const ready = typed === undefined || text.trim() === typed;
  function submit(event: FormEvent) {
    event.preventDefault();
    if (ready && !busy) onConfirm();
  }
  return (
    <Dialog
      title={title}
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose} autoFocus={typed === undefined}>
            {words.cancel}
          </Button>
          <Button
            kind={danger ? 'danger' : 'solid'}
            type="submit"
            form={id}
            busy={busy}
            refused={ready || typed === undefined ? undefined : words.typeToConfirm(typed)}
          >
            {confirm}
          </Button>
        </>
      }
    >
      <form id={id} onSubmit={submit} className="ask-form">
        {children && <div>{children}</div>}
        {typed !== undefined && (
          <label className="field">
            <span className="label">{words.typeToConfirm(typed)}</span>
            <input
              className="input"
              value={text}
              autoFocus
              autoComplete="off"
              onChange={(e) => setText(e.target.value)}
            />
          </label>
        )}
      </form>
    </Dialog>
  );
}
