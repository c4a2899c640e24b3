import { useState } from 'react';
import { Button } from '../../parts/Button';
import { Dialog } from '../../parts/Dialog';
import { Diff } from '../../parts/Diff';
import { words } from '../../words/en/editor';
import { changeAt, isSchedule, leavesOf, merge, withLeaves } from './changes';
import { type Definition, definitionOf, type Job } from './definition';
import type { Base } from './useEditor';

interface Props {
  base: Base;
  mine: Definition;
  theirs: Job;
  onSave: (merged: Definition, base: Base) => void;
  /** Closes it; with a definition, the form goes on from the newer version. */
  onClose: (merged?: { definition: Definition; base: Base }) => void;
}

/** Two saved at once: both versions field by field, and a choice for each. */
export function Conflict({ base, mine, theirs, onSave, onClose }: Props) {
  const other = definitionOf(theirs);
  const { merged, conflicts } = merge(base.definition, mine, other);
  const [kept, setKept] = useState<Readonly<Record<string, 'before' | 'after'>>>({});
  const [before, after] = [leavesOf(other), leavesOf(mine)];
  const changes = conflicts.map((pointer) => ({ pointer, change: changeAt(pointer, before, after) }));
  const pointerOf = (field: string) => changes.find((it) => it.change.field === field)?.pointer ?? field;
  // The fields of a schedule go together.
  const groupOf = (pointer: string) => (isSchedule(pointer) ? '/schedule' : pointer);
  const sideOf = (pointer: string) => kept[groupOf(pointer)] ?? 'after';
  const newer = { version: theirs.version, definition: other };
  const result = () =>
    withLeaves(
      merged,
      other,
      conflicts.filter((pointer) => sideOf(pointer) === 'before'),
    );
  return (
    <Dialog
      title={words.conflictTitle(theirs.version)}
      wide
      onClose={() => onClose()}
      footer={
        <>
          <Button onClick={() => onClose({ definition: result(), base: newer })}>{words.keepEditing}</Button>
          <Button kind="solid" onClick={() => onSave(result(), newer)}>
            {words.saveMerged(theirs.version + 1)}
          </Button>
        </>
      }
    >
      <p className="dim">{conflicts.length > 0 ? words.conflictSome : words.conflictNone}</p>
      {conflicts.length > 0 && (
        <Diff
          changes={changes.map((it) => it.change)}
          before={words.theirsHead(theirs.version)}
          after={words.mineHead}
          choice={{
            kept: (field) => sideOf(pointerOf(field)),
            onKeep: (field, side) => setKept({ ...kept, [groupOf(pointerOf(field))]: side }),
          }}
        />
      )}
    </Dialog>
  );
}
