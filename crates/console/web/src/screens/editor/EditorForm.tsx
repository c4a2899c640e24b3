import { type FormEvent, lazy, Suspense, useRef, useState } from 'react';
import { Problem } from '../../api/problem';
import { ErrorPanel } from '../../parts/ErrorPanel';
import { focusFirstError } from '../../parts/Field';
import { Say } from '../../parts/Say';
import { useKeys } from '../../shell/keys';
import { useCan, useWorkspace } from '../../shell/workspace';
import { words } from '../../words/en/editor';
import { type Job, requestInputOf } from './definition';
import { FailureSection } from './FailureSection';
import { errorsOf, type RequestTab, sentenceOf, tabOf } from './fields';
import { JobSection } from './JobSection';
import { PreviewCard } from './PreviewCard';
import { RequestSection } from './RequestSection';
import { SaveBar } from './SaveBar';
import { type Editor, useEditor } from './useEditor';
import { usePreviewOf } from './usePreviewOf';
import { useSave } from './useSave';
import { useTest } from './useTest';
import { WhenSection } from './WhenSection';

// What appears after the preview, below the form, or only in a conflict.
const LoadCard = lazy(async () => ({ default: (await import('./LoadCard')).LoadCard }));
const TestCard = lazy(async () => ({ default: (await import('./TestCard')).TestCard }));
const NotifySection = lazy(async () => ({ default: (await import('./NotifySection')).NotifySection }));
const Conflict = lazy(async () => ({ default: (await import('./Conflict')).Conflict }));

interface Props {
  /** Null for a new job. */
  job: Job | null;
  /** The job that a new one begins as a copy of. */
  copied: Job | null;
}

/** The form at the left, what it will do at the right, the changes below. */
export function EditorForm({ job, copied }: Props) {
  const workspace = useWorkspace();
  const can = useCan();
  const form = useRef<HTMLFormElement>(null);
  const [tab, setTab] = useState<RequestTab>('headers');
  const editor = useEditor(workspace.id, job, copied);
  const showErrors = (pointers: string[]) => {
    const first = pointers[0];
    const its = first === undefined ? null : tabOf(first);
    if (its) setTab(its);
    requestAnimationFrame(() => focusFirstError(form.current));
  };
  const saving = useSave(editor, showErrors);
  const preview = usePreviewOf(editor.draft);
  const test = useTest(job?.id ?? null);
  const tryIt = () => test.run(requestInputOf(editor.definition.request));
  const refused = editor.draft.url.trim() === '' ? words.testNeedsUrl : undefined;
  const canTest = can('jobs:run') && !test.isAbsent;
  const mayWrite = can('jobs:write');
  useKeys([
    {
      keys: 'mod+Enter',
      label: words.save,
      inFields: true,
      run: () => mayWrite && !saving.conflict && void saving.save(),
    },
    { keys: 'mod+Shift+Enter', label: words.test, inFields: true, run: () => canTest && !refused && tryIt() },
  ]);
  const submit = (event: FormEvent) => event.preventDefault();
  const errors = { ...liveErrors(preview.query.error), ...editor.errors.at };
  const props = { draft: editor.draft, set: editor.set, errors, changed: editor.changed };
  const fire = preview.query.data?.fires[0];
  const { kind, cron, timezone } = editor.draft;
  return (
    <>
      <h1 className="vh">{job ? words.editHeading(job.name) : words.newTitle}</h1>
      <Notes editor={editor} failure={saving.failure} mayWrite={mayWrite} />
      <div className="edit">
        <form ref={form} onSubmit={submit} noValidate>
          <JobSection {...props} isNew={job === null} />
          <WhenSection {...props} mayRunNow={job === null || job.kind === 'one_time'} />
          <RequestSection {...props} tab={tab} onTab={setTab} />
          <FailureSection {...props} />
          {can('notifications:write') && (
            <Suspense>
              <NotifySection job={job?.id ?? null} rules={editor.rules} onChange={editor.setRules} />
            </Suspense>
          )}
        </form>
        <aside className="preview" aria-label={words.previewLabel}>
          <PreviewCard preview={preview} />
          {fire && !preview.query.error && (kind === 'cron' || kind === 'scheduled') && (
            <Suspense>
              <LoadCard
                fire={fire}
                timezone={timezone}
                cron={kind === 'cron' ? cron : null}
                savedNextRun={job?.next_run_at ?? null}
                savedHost={job?.host ?? ''}
                onCron={(next) => editor.set({ cron: next })}
              />
            </Suspense>
          )}
          {canTest && (
            <Suspense>
              <TestCard state={test} onTest={tryIt} refused={refused} />
            </Suspense>
          )}
        </aside>
      </div>
      {mayWrite && (
        <SaveBar editor={editor} isBusy={saving.isBusy} onSave={(change) => void saving.save(change)} />
      )}
      {saving.conflict && editor.base && (
        <Suspense>
          <Conflict
            base={editor.base}
            mine={editor.definition}
            theirs={saving.conflict}
            onSave={(merged, base) => {
              editor.rebase(base, merged);
              saving.closeConflict();
              void saving.save({}, merged, base);
            }}
            onClose={(merged) => {
              if (merged) editor.rebase(merged.base, merged.definition);
              saving.closeConflict();
            }}
          />
        </Suspense>
      )}
    </>
  );
}

/** What the preview refuses, at its fields: before anything is saved. */
function liveErrors(error: unknown): Readonly<Record<string, string>> {
  return error instanceof Problem && error.status === 422 ? errorsOf(error.errors).at : {};
}

function Notes({
  editor,
  failure,
  mayWrite,
}: {
  editor: Editor;
  failure: Problem | null;
  mayWrite: boolean;
}) {
  const { rebased, errors } = editor;
  return (
    <>
      {!mayWrite && <Say tone="plan">{words.readOnly}</Say>}
      {rebased && (
        <Say tone="warn">
          {rebased.conflicts.length > 0
            ? words.rebasedConflict(rebased.version, rebased.conflicts.length)
            : words.rebased(rebased.version)}
        </Say>
      )}
      {failure && errors.rest.length === 0 && <ErrorPanel error={failure} title={words.notSaved} />}
      {errors.rest.length > 0 && (
        <Say tone="bad" news>
          <strong>{words.otherErrors}</strong>{' '}
          {errors.rest.map((it) => `${it.pointer}: ${sentenceOf(it)}`).join(' ')}
        </Say>
      )}
    </>
  );
}
