import { type FormEvent, useState } from 'react';
import { Problem } from '../../api/problem';
import { type Channel, useAddRule } from '../../api/queries/jobDetails';
import type { Job } from '../../api/queries/jobs';
import { Button } from '../../parts/Button';
import { FieldError, SelectField, TextField } from '../../parts/Field';
import { toast } from '../../parts/toasts';
import { words } from '../../words/en/job';

const EVENTS = ['on_failure', 'on_recovery', 'on_success', 'on_completion'] as const;
type RuleEvent = (typeof EVENTS)[number];

/** Whether the event can wait for some failures in a row. */
const canCount = (event: RuleEvent) => event === 'on_failure' || event === 'on_recovery';

/** Adds a rule to a job. */
export function RuleForm({ job, channels }: { job: Job; channels: readonly Channel[] }) {
  const [channel, setChannel] = useState(channels[0]?.id ?? '');
  const [event, setEvent] = useState<RuleEvent>('on_failure');
  const [failures, setFailures] = useState('');
  const add = useAddRule(job.id);
  const problem = add.error instanceof Problem ? add.error : null;
  const errorOf = (pointer: string) => problem?.errors.find((it) => it.pointer === pointer)?.detail;
  const submit = (submitted: FormEvent) => {
    submitted.preventDefault();
    const after_failures = canCount(event) && failures ? Number(failures) : null;
    add.mutate(
      { channel_id: channel, event, after_failures },
      {
        onSuccess: () => {
          setFailures('');
          toast({ text: words.ruleAdded });
        },
      },
    );
  };
  return (
    <form className="rule-form" onSubmit={submit}>
      <SelectField
        label={words.channel}
        value={channel}
        options={channels.map((it) => ({ value: it.id, label: it.name }))}
        onChange={setChannel}
        error={errorOf('/channel_id')}
      />
      <SelectField
        label={words.event}
        value={event}
        options={EVENTS.map((it) => ({ value: it, label: words.events[it] ?? it }))}
        onChange={setEvent}
        error={errorOf('/event')}
      />
      {canCount(event) && (
        <TextField
          label={words.afterFailures}
          hint={event === 'on_failure' ? words.afterFailuresHint : words.afterFailuresRecovery}
          type="number"
          min={1}
          max={1000}
          value={failures}
          onChange={setFailures}
          error={errorOf('/after_failures')}
        />
      )}
      <Button icon="plus" type="submit" busy={add.isPending}>
        {words.addRule}
      </Button>
      {problem && problem.errors.length === 0 && <FieldError>{problem.message}</FieldError>}
    </form>
  );
}
