import { useCallback, useEffect, useMemo, useState } from 'react';
import { viewerZone } from '../../time';
import { changedPointers, leavesOf, merge } from './changes';
import { type Definition, definitionOf, type Job } from './definition';
import { type Draft, definitionOfDraft, draftOf, newDraft } from './draft';
import { type Errors, NO_ERRORS, withoutErrorsOf } from './fields';
import { NO_RULES, type RuleDraft } from './rules';
import { forget, readStored, type Stored, store } from './storage';

/** What the draft began from. */
export interface Base {
  version: number;
  definition: Definition;
}

/** A version that was saved after the draft began. */
export interface Rebased {
  version: number;
  conflicts: readonly string[];
}

interface Start {
  draft: Draft;
  base: Base | null;
  rebased: Rebased | null;
  isKept: boolean;
}

/** The job as the form of it begins: with the draft that this tab has kept, on top of what was saved since. */
function begin(workspace: string, job: Job | null, copied: Job | null): Start {
  const stored = readStored(workspace, job?.id ?? 'new');
  const zone = viewerZone();
  if (job === null) return beginNew(stored, copied, zone);
  const base = { version: job.version, definition: definitionOf(job) };
  if (!stored?.base) return { draft: draftOf(base.definition, zone), base, rebased: null, isKept: false };
  if (stored.base.version === job.version) return { draft: stored.draft, base, rebased: null, isKept: true };
  const mine = definitionOfDraft(stored.draft, stored.base.definition);
  const { merged, conflicts } = merge(stored.base.definition, mine, base.definition);
  return {
    draft: draftOf(merged, stored.draft.timezone),
    base,
    rebased: { version: job.version, conflicts },
    isKept: true,
  };
}

function beginNew(stored: Stored | null, copied: Job | null, zone: string): Start {
  const fresh = { base: null, rebased: null };
  if (copied) {
    const definition = { ...definitionOf(copied), key: null };
    return { ...fresh, draft: draftOf(definition, zone), isKept: false };
  }
  return stored
    ? { ...fresh, draft: stored.draft, isKept: true }
    : { ...fresh, draft: newDraft(zone), isKept: false };
}

/** The form's state: the draft, what it began from, and what the API has said of it. */
export function useEditor(workspace: string, job: Job | null, copied: Job | null) {
  const [start] = useState(() => begin(workspace, job, copied));
  const [draft, setDraft] = useState(start.draft);
  const [base, setBase] = useState(start.base);
  const [rules, setRules] = useState<RuleDraft>(NO_RULES);
  const [errors, setErrors] = useState<Errors>(NO_ERRORS);
  const [rebased, setRebased] = useState(start.rebased);
  const [isKept, setKept] = useState(start.isKept);
  const id = job?.id ?? 'new';

  const definition = useMemo(() => definitionOfDraft(draft, base?.definition), [draft, base]);
  const changed = useMemo(
    () => new Set(base ? changedPointers(leavesOf(base.definition), leavesOf(definition)) : []),
    [base, definition],
  );
  const isTouched = draft !== start.draft || isKept;
  useEffect(() => {
    if (base ? changed.size > 0 : isTouched) store(workspace, id, { draft, base });
    else forget(workspace, id);
  }, [workspace, id, draft, base, changed, isTouched]);

  const set = useCallback((change: Partial<Draft>) => {
    setDraft((before) => ({ ...before, ...change }));
    setErrors((before) => withoutErrorsOf(before, change));
  }, []);
  const discard = useCallback(() => {
    setDraft(base ? draftOf(base.definition, viewerZone()) : newDraft(viewerZone()));
    setRules(NO_RULES);
    setErrors(NO_ERRORS);
    setRebased(null);
    setKept(false);
    forget(workspace, id);
  }, [workspace, id, base]);
  /** Goes on from a newer version, with what was chosen of both. */
  const rebase = useCallback((newer: Base, merged: Definition) => {
    setBase(newer);
    setDraft((before) => draftOf(merged, before.timezone));
    setRebased(null);
  }, []);
  return {
    draft,
    set,
    base,
    definition,
    changed,
    rules,
    setRules,
    errors,
    setErrors,
    rebased,
    isKept,
    discard,
    rebase,
    id,
    workspace,
  };
}

export type Editor = ReturnType<typeof useEditor>;
