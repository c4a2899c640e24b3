import { useEffect, useLayoutEffect, useRef, useState, useSyncExternalStore } from 'react';
import { words } from '../words/en/parts';
import { Button } from './Button';
import { Glyph, type GlyphName } from './Glyph';
import { isCommand, isTyping } from './keys';
import { current, dismiss, type Shown, subscribe, undo, undoLast } from './toasts';
import './Toasts.css';

const SHOWN_MS = 10_000;
const AFTER_UNDO_MS = 3_000;

/** The place of all toasts: once in the shell. ⌘Z undoes the last. */
export function Toasts() {
  const list = useSyncExternalStore(subscribe, current);
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.key !== 'z' || event.shiftKey || !isCommand(event) || isTyping(event.target)) return;
      if (undoLast()) event.preventDefault();
    };
    addEventListener('keydown', press);
    return () => removeEventListener('keydown', press);
  }, []);
  useLayoutEffect(() => {
    // In the top layer again with each change, so that a dialog does not cover it.
    const node = place.current;
    if (!node) return;
    if (node.matches(':popover-open')) node.hidePopover();
    if (list.length > 0) node.showPopover();
  }, [list]);
  const last = list.at(-1);
  return (
    <>
      <div className="vh" role="status">
        {last && said(last)}
      </div>
      <div className="toasts" ref={place} popover="manual">
        {list.map((it) => (
          <ToastLine key={it.id} toast={it} />
        ))}
      </div>
    </>
  );
}

function ToastLine({ toast }: { toast: Shown }) {
  const [held, setHeld] = useState(false);
  const { id, state } = toast;
  const stays = held || state === 'undoing';
  useEffect(() => {
    if (stays) return;
    const timer = setTimeout(() => dismiss(id), state === 'undone' ? AFTER_UNDO_MS : SHOWN_MS);
    return () => clearTimeout(timer);
  }, [id, state, stays]);
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: it only waits while the user reads
    <div
      className="toast"
      onPointerEnter={() => setHeld(true)}
      onPointerLeave={() => setHeld(false)}
      onFocus={() => setHeld(true)}
      onBlur={() => setHeld(false)}
    >
      <Glyph name={glyph(toast)} />
      <span>{said(toast)}</span>
      {toast.undo && (state === 'shown' || state === 'undoing') && (
        <Button small keys="mod+Z" busy={state === 'undoing'} onClick={() => undo(id)}>
          {words.undo}
        </Button>
      )}
      {toast.action && state === 'shown' && (
        <Button
          small
          onClick={() => {
            dismiss(id);
            toast.action?.onSelect();
          }}
        >
          {toast.action.label}
        </Button>
      )}
      <Button kind="ghost" small icon="x" label={words.dismiss} onClick={() => dismiss(id)} />
    </div>
  );
}

function glyph(toast: Shown): GlyphName {
  return toast.tone === 'failed' || toast.state === 'undo-failed' ? 'bad' : 'ok';
}

function said(toast: Shown): string {
  if (toast.state === 'undone') return `${toast.text} ${words.undone}`;
  if (toast.state === 'undo-failed') return words.undoFailed;
  return toast.text;
}
