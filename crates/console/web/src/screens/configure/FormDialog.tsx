import { type ReactNode, useId } from 'react';
import { Button } from '../../parts/Button';
import { Dialog } from '../../parts/Dialog';
import { Say } from '../../parts/Say';
import { common } from '../../words/en';
import { useSubmit } from '../login/useSubmit';

interface Props {
  title: string;
  /** The verb of its button. */
  confirm: string;
  /** Sends the form; what the server refuses stays in the dialog. */
  onSubmit: () => Promise<void>;
  onClose: () => void;
  /** Gets the errors by JSON pointer. */
  children: (errorOf: (pointer: string) => string | undefined) => ReactNode;
}

/** A dialog with a form. */
export function FormDialog({ title, confirm, onSubmit, onClose, children }: Props) {
  const id = useId();
  const { submit, form, isBusy, errorOf, message } = useSubmit(onSubmit);
  return (
    <Dialog
      title={title}
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>{common.cancel}</Button>
          <Button kind="solid" type="submit" form={id} busy={isBusy}>
            {confirm}
          </Button>
        </>
      }
    >
      <form id={id} ref={form} className="ask-form" onSubmit={submit}>
        {message && (
          <Say tone="bad" news>
            {message}
          </Say>
        )}
        {children(errorOf)}
      </form>
    </Dialog>
  );
}
