import { useState } from 'react';
import { useChannels } from '../../api/queries/channels';
import { rowsOf } from '../../api/queries/paged';
import {
  type RuleEvent,
  type RuleSelector,
  useChangeWorkspaceRule,
  useCreateWorkspaceRule,
  type WorkspaceRule,
} from '../../api/queries/rules';
import { Choice } from '../../parts/Choice';
import { SelectField, TextField } from '../../parts/Field';
import { toast } from '../../parts/toasts';
import { words } from '../../words/en/notifications';
import { FormDialog } from '../configure/FormDialog';

const SELECTORS: readonly RuleSelector[] = ['all', 'tag', 'host'];
const EVENTS: readonly RuleEvent[] = ['on_failure', 'on_recovery', 'on_completion', 'on_success'];
const COUNTS: readonly RuleEvent[] = ['on_failure', 'on_recovery'];

/** A new rule for many jobs, or a change of one. */
export function RuleForm({ rule, onClose }: { rule?: WorkspaceRule; onClose: () => void }) {
  const channels = rowsOf(useChannels().data);
  const create = useCreateWorkspaceRule();
  const change = useChangeWorkspaceRule();
  const [selector, setSelector] = useState((rule?.selector ?? 'all') as RuleSelector);
  const [value, setValue] = useState(rule?.value ?? '');
  const [event, setEvent] = useState((rule?.event ?? 'on_failure') as RuleEvent);
  const [after, setAfter] = useState(String(rule?.after_failures ?? ''));
  const [channel, setChannel] = useState(rule?.channel_id ?? '');
  const chosen = channel || channels[0]?.id || '';
  async function submit() {
    const wanted = {
      selector,
      value: selector === 'all' ? null : value.trim(),
      event,
      after_failures: COUNTS.includes(event) && after !== '' ? Number(after) : null,
      channel_id: chosen,
    };
    if (rule) await change.mutateAsync({ id: rule.id, patch: wanted });
    else await create.mutateAsync(wanted);
    toast({ text: rule ? words.changedRule : words.createdRule });
    onClose();
  }
  return (
    <FormDialog
      title={rule ? words.changeRule : words.newRule}
      confirm={rule ? words.save : words.createRule}
      onSubmit={submit}
      onClose={onClose}
    >
      {(errorOf) => (
        <>
          <div className="field">
            <span className="label">{words.jobs}</span>
            <div>
              <Choice
                label={words.jobs}
                value={selector}
                options={SELECTORS.map((it) => ({ value: it, label: words.selectors[it] }))}
                onChange={setSelector}
              />
            </div>
          </div>
          {selector !== 'all' && (
            <TextField
              label={words.selectorValue[selector]}
              required
              value={value}
              onChange={setValue}
              placeholder={words.selectorExample[selector]}
              error={errorOf('/value')}
            />
          )}
          <SelectField
            label={words.reportWhen}
            value={event}
            onChange={setEvent}
            options={EVENTS.map((it) => ({ value: it, label: words.ruleEvents[it] }))}
            error={errorOf('/event')}
          />
          {COUNTS.includes(event) && (
            <TextField
              label={words.afterFailures}
              type="number"
              min={1}
              max={1000}
              value={after}
              onChange={setAfter}
              hint={words.afterHint(event)}
              error={errorOf('/after_failures')}
            />
          )}
          <SelectField
            label={words.channel}
            value={chosen}
            onChange={setChannel}
            options={channels.map((it) => ({ value: it.id, label: it.name }))}
            hint={channels.length === 0 ? words.needsChannel : undefined}
            error={errorOf('/channel_id')}
          />
        </>
      )}
    </FormDialog>
  );
}
