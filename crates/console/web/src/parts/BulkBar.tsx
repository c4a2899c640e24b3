import type { KeyboardEvent, ReactNode } from 'react';
import { count } from '../format';
import { words } from '../words/en/parts';
import { Button } from './Button';
import './BulkBar.css';

interface Props {
  /** What the bar acts on: *3 jobs*. */
  label: string;
  selected: number;
  /** All that match are selected, loaded or not. */
  all?: boolean;
  /** Offers to select all that match, of which there are so many. */
  selectAll?: { total: number; onSelect: () => void };
  /** What goes on: so many are done of so many. */
  progress?: { done: number; total: number };
  onNone: () => void;
  /** Buttons of the kind `ghost`. */
  children: ReactNode;
}

/** What to do with what is selected; it floats over the end of the page. Esc selects none. */
export function BulkBar({ label, selected, all, selectAll, progress, onNone, children }: Props) {
  if (selected === 0) return null;
  return (
    <div className="bulk" role="toolbar" aria-label={label} onKeyDown={(event) => move(event, onNone)}>
      <span className="sum" role="status">
        {progress ? (
          words.progress(progress.done, progress.total)
        ) : all ? (
          words.selectedMatching(selected)
        ) : (
          <Selected n={selected} />
        )}
      </span>
      {selectAll && !all && selectAll.total > selected && (
        <Button kind="ghost" onClick={selectAll.onSelect}>
          {words.selectMatching(selectAll.total)}
        </Button>
      )}
      {children}
      <Button kind="ghost" icon="x" label={words.selectNone} onClick={onNone} />
    </div>
  );
}

function Selected({ n }: { n: number }) {
  return (
    <>
      <b className="strong">{count(n)}</b> {words.selectedWord}
    </>
  );
}

function move(event: KeyboardEvent<HTMLElement>, onNone: () => void) {
  if (event.key === 'Escape') {
    onNone();
    return;
  }
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const buttons = [...event.currentTarget.querySelectorAll<HTMLElement>('button')];
  const at = buttons.indexOf(document.activeElement as HTMLElement);
  buttons[(at + step + buttons.length) % buttons.length]?.focus();
  event.preventDefault();
}
