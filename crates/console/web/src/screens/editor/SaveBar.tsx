import { lazy, Suspense, useMemo, useState } from 'react';
import { Button } from '../../parts/Button';
import { Dialog } from '../../parts/Dialog';
import { Diff, DiffLine } from '../../parts/Diff';
import { useWorkspace } from '../../shell/workspace';
import { words } from '../../words/en/editor';
import { changesOf } from './changes';
import type { Definition } from './definition';
import { ruleChangeCount } from './rules';
import type { Editor } from './useEditor';

// The writers of commands and files load after the form.
const CopyAs = lazy(async () => ({ default: (await import('./CopyAs')).CopyAs }));

interface Props {
  editor: Editor;
  isBusy: boolean;
  onSave: (change?: Partial<Definition>) => void;
}

const MAX_SHOWN = 2;

/** What has changed, and what to do with it. */
export function SaveBar({ editor, isBusy, onSave }: Props) {
  const { base, definition, id } = editor;
  const workspace = useWorkspace();
  const isUnchanged = base !== null && editor.changed.size === 0 && ruleChangeCount(editor.rules) === 0;
  const isDraft = base?.definition.state === 'draft';
  return (
    <div className="savebar">
      <Changes editor={editor} />
      <Suspense fallback={<span className="btn ghost">{words.copyAs}</span>}>
        <CopyAs definition={definition} change={base && { id, base }} stack={workspace.name} />
      </Suspense>
      <Button onClick={editor.discard} refused={isUnchanged ? words.nothingToSave : undefined}>
        {words.discard}
      </Button>
      {base === null && (
        <Button busy={isBusy} onClick={() => onSave({ state: 'draft' })}>
          {words.saveDraft}
        </Button>
      )}
      {isDraft && (
        <Button busy={isBusy} onClick={() => onSave({ state: 'active' })}>
          {words.activate}
        </Button>
      )}
      <Button
        kind="solid"
        keys="mod+Enter"
        busy={isBusy}
        refused={isUnchanged ? words.nothingToSave : undefined}
        onClick={() => onSave()}
      >
        {base === null ? words.create : words.save}
      </Button>
    </div>
  );
}

function Changes({ editor }: { editor: Editor }) {
  const { base, definition } = editor;
  const [isOpen, setOpen] = useState(false);
  const changes = useMemo(() => (base ? changesOf(base.definition, definition) : []), [base, definition]);
  const ruleChanges = ruleChangeCount(editor.rules);
  if (base === null) return <span className="dim only-wide">{words.isNew}</span>;
  if (changes.length === 0) {
    return (
      <span className="dim only-wide">
        {ruleChanges > 0 ? words.ruleChanges(ruleChanges) : words.unchanged(base.version)}
      </span>
    );
  }
  return (
    <div className="btns changes">
      <button
        type="button"
        className="link"
        onClick={() => setOpen(true)}
        aria-haspopup="dialog"
        title={words.showChanges}
      >
        {words.changesTo(changes.length, base.version)}
      </button>
      <span className="only-wide btns">
        {changes.slice(0, MAX_SHOWN).map((change) => (
          <DiffLine key={change.field} change={shortened(change)} />
        ))}
        {changes.length > MAX_SHOWN && (
          <span className="faint small">{words.moreChanges(changes.length - MAX_SHOWN)}</span>
        )}
        {ruleChanges > 0 && <span className="faint small">{words.ruleChanges(ruleChanges)}</span>}
      </span>
      {isOpen && (
        <Dialog title={words.changesTitle(base.version)} wide onClose={() => setOpen(false)}>
          <Diff changes={changes} before={`v${base.version}`} after={words.mineHead} />
        </Dialog>
      )}
    </div>
  );
}

const MAX_VALUE = 24;

function shortened(change: ReturnType<typeof changesOf>[number]): ReturnType<typeof changesOf>[number] {
  const cut = (text: string | undefined) =>
    text !== undefined && text.length > MAX_VALUE ? `${text.slice(0, MAX_VALUE - 1)}…` : text;
  return { ...change, before: cut(change.before), after: cut(change.after) };
}
