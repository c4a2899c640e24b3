import { type ReactNode, useId, useLayoutEffect, useRef, useState } from 'react';
import { words } from '../words/en/parts';
import { Button } from './Button';
import './Dialog.css';

interface Props {
  title: string;
  /** Escape and the button ×; null where the dialog has to be answered. */
  onClose: (() => void) | null;
  /** Room for a table. */
  wide?: boolean;
  footer?: ReactNode;
  children: ReactNode;
}

/** A dialog over the page; it is open while it is rendered. `autoFocus` says where the focus begins. */
export function Dialog({ title, onClose, wide, footer, children }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  // What it holds comes when it is open: `autoFocus` can focus only what is shown.
  const [open, setOpen] = useState(false);
  useLayoutEffect(() => {
    const node = dialog.current;
    const before = document.activeElement;
    if (node && !node.open) node.showModal();
    setOpen(true);
    return () => {
      setOpen(false);
      if (node?.open) node.close();
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape closes it; a click beside it is the same by pointer
    <dialog
      ref={dialog}
      className={wide ? 'dialog wide' : 'dialog'}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        onClose?.();
      }}
      onClick={(event) => event.target === dialog.current && onClose?.()}
    >
      {open && (
        <div className="dialog-in">
          <header>
            <h2 id={id}>{title}</h2>
            {onClose && <Button kind="ghost" small icon="x" label={words.close} onClick={onClose} />}
          </header>
          <div className="dialog-body">{children}</div>
          {footer && <footer className="btns">{footer}</footer>}
        </div>
      )}
    </dialog>
  );
}
