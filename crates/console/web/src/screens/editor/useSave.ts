import { useCallback, useRef, useState } from 'react';
import { useLocation } from 'wouter';
import { idempotencyKey } from '../../api/client';
import { Problem } from '../../api/problem';
import { fetchJob, useChangeRules, useCreateJob } from '../../api/queries/editor';
import { type Job, usePatchJob } from '../../api/queries/jobs';
import { toast } from '../../parts/toasts';
import { words } from '../../words/en/editor';
import { patchOf } from './changes';
import { type Definition, inputOf, isSame } from './definition';
import { errorsOf, NO_ERRORS } from './fields';
import { NO_RULES, ruleChangeCount, ruleInputs } from './rules';
import { forget } from './storage';
import type { Base, Editor } from './useEditor';

/** Saves the form: creates the job or patches it, then its rules; says where it could not. */
export function useSave(editor: Editor, onErrors: (pointers: string[]) => void) {
  const [, navigate] = useLocation();
  const create = useCreateJob();
  const patch = usePatchJob();
  const rules = useChangeRules();
  const keyFor = useKeyForBody();
  const [conflict, setConflict] = useState<Job | null>(null);
  const [failure, setFailure] = useState<Problem | null>(null);
  const [isBusy, setBusy] = useState(false);

  async function write(definition: Definition, base: Base | null): Promise<Job | null> {
    if (!base) {
      const body = inputOf(definition);
      return create.mutateAsync({ body, key: keyFor(body) });
    }
    const change = patchOf(base.definition, definition);
    return change && patch.mutateAsync({ id: editor.id, patch: change, version: base.version });
  }

  async function save(
    change: Partial<Definition> = {},
    from: Definition = editor.definition,
    base = editor.base,
  ) {
    if (isBusy) return;
    setBusy(true);
    setFailure(null);
    editor.setErrors(NO_ERRORS);
    try {
      const job = await write({ ...from, ...change }, base);
      await saveRules(job?.id ?? editor.id, job?.name ?? from.name);
      forget(editor.workspace, editor.id);
      const name = job?.name ?? from.name;
      toast({ text: base ? words.saved(name, job?.version ?? base.version) : words.created(name) });
      navigate(`/jobs/${job?.id ?? editor.id}`);
    } catch (error) {
      await explain(error);
    } finally {
      setBusy(false);
    }
  }

  async function saveRules(job: string, name: string) {
    if (ruleChangeCount(editor.rules) === 0) return;
    const { added, removed } = editor.rules;
    try {
      await rules.mutateAsync({ job, added: ruleInputs(added), removed });
    } catch (error) {
      // The job is saved: the form must not save it again.
      toast({ text: words.rulesFailed(name, error instanceof Error ? error.message : ''), tone: 'failed' });
    }
    editor.setRules(NO_RULES);
  }

  async function explain(error: unknown) {
    if (!(error instanceof Problem)) throw error;
    if (error.status === 412) {
      try {
        setConflict(await fetchJob(editor.id));
        return;
      } catch (later) {
        if (later instanceof Problem) setFailure(later);
        return;
      }
    }
    const errors = errorsOf(error.errors);
    editor.setErrors(errors);
    if (error.errors.length === 0 || errors.rest.length > 0) setFailure(error);
    onErrors(Object.keys(errors.at));
  }

  return { save, isBusy, failure, conflict, closeConflict: useCallback(() => setConflict(null), []) };
}

/** A key for the same body: when a response is lost, saving again does not make a second job. */
function useKeyForBody(): (body: unknown) => string {
  const last = useRef<{ body: unknown; key: string } | null>(null);
  return (body) => {
    if (!last.current || !isSame(last.current.body, body)) last.current = { body, key: idempotencyKey() };
    return last.current.key;
  };
}
