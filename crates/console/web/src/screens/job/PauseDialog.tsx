import { type FormEvent, useId, useState } from 'react';
import { Problem } from '../../api/problem';
import { type Job, usePauseJob, useResumeJob } from '../../api/queries/jobs';
import { Button } from '../../parts/Button';
import { Dialog } from '../../parts/Dialog';
import { TextField } from '../../parts/Field';
import { toast } from '../../parts/toasts';
import { instantOf, localOf } from '../../time';
import { common } from '../../words/en';
import { words } from '../../words/en/job';
import { words as jobsWords } from '../../words/en/jobs';
import { useJobZone } from './zone';

/** Pauses a job with a note, or until a time; or changes those of a pause. */
export function PauseDialog({ job, onClose }: { job: Job; onClose: () => void }) {
  const zone = useJobZone(job);
  const [note, setNote] = useState(job.paused?.note ?? '');
  const [until, setUntil] = useState(job.paused?.until ? localOf(job.paused.until, zone) : '');
  const pause = usePauseJob();
  const resume = useResumeJob();
  const id = useId();
  const errors = pause.error instanceof Problem ? pause.error.errors : [];
  const other = pause.error instanceof Problem && errors.length === 0 ? pause.error.message : undefined;
  const errorOf = (pointer: string) => errors.find((it) => it.pointer === pointer)?.detail;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const wasPaused = job.state === 'paused';
    const input = { id: job.id, note: note.trim() || null, until: until ? instantOf(until, zone) : null };
    pause.mutate(input, {
      onSuccess: () => {
        onClose();
        const text = jobsWords.didOne('pause', job.name);
        toast(wasPaused ? { text } : { text, undo: () => resume.mutateAsync(job.id) });
      },
    });
  };
  return (
    <Dialog
      title={words.pauseTitle}
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>{common.cancel}</Button>
          <Button kind="solid" type="submit" form={id} busy={pause.isPending}>
            {words.pause}
          </Button>
        </>
      }
    >
      <form id={id} className="ask-form" onSubmit={submit}>
        <TextField
          label={words.pauseNote}
          hint={words.pauseNoteHint}
          value={note}
          onChange={setNote}
          maxLength={500}
          autoFocus
          error={errorOf('/note') ?? other}
        />
        <TextField
          label={words.pauseEnd(zone)}
          hint={words.pauseEndHint}
          type="datetime-local"
          value={until}
          onChange={setUntil}
          error={errorOf('/until')}
        />
      </form>
    </Dialog>
  );
}
