import { type Channel, useChannels } from '../../api/queries/channels';
import { type Rule, useRules } from '../../api/queries/editor';
import { rowsOf } from '../../api/queries/paged';
import { Button, LinkButton } from '../../parts/Button';
import { ErrorPanel } from '../../parts/ErrorPanel';
import { SelectField } from '../../parts/Field';
import { Bars } from '../../parts/Loading';
import { words } from '../../words/en/editor';
import { countsFailures, type NewRule, type RuleDraft } from './rules';

interface Props {
  /** Null for a new job. */
  job: string | null;
  rules: RuleDraft;
  onChange: (rules: RuleDraft) => void;
}

/** Who is notified, and when. */
export function NotifySection({ job, rules, onChange }: Props) {
  return (
    <section>
      <h2>
        {words.notify}
        <small>{words.notifyHint}</small>
      </h2>
      <div>
        <Rules job={job} rules={rules} onChange={onChange} />
      </div>
    </section>
  );
}

function Rules({ job, rules, onChange }: Props) {
  const channels = useChannels();
  const saved = useRules(job);
  if (channels.error) return <ErrorPanel error={channels.error} onRetry={() => void channels.refetch()} />;
  if (saved.error) return <ErrorPanel error={saved.error} onRetry={() => void saved.refetch()} />;
  if (!channels.data || (job !== null && !saved.data)) return <Bars rows={2} compact />;
  const all = rowsOf(channels.data);
  const first = all[0];
  const setAdded = (index: number, change: Partial<NewRule>) =>
    onChange({
      ...rules,
      added: rules.added.map((rule, place) => (place === index ? { ...rule, ...change } : rule)),
    });
  return (
    <>
      {(saved.data ?? []).map((rule) => (
        <SavedRule
          key={rule.id}
          rule={rule}
          channel={all.find((it) => it.id === rule.channel_id)}
          isRemoved={rules.removed.includes(rule.id)}
          onToggle={() =>
            onChange({
              ...rules,
              removed: rules.removed.includes(rule.id)
                ? rules.removed.filter((it) => it !== rule.id)
                : [...rules.removed, rule.id],
            })
          }
        />
      ))}
      {rules.added.map((rule, index) => (
        <NewRuleFields
          // biome-ignore lint/suspicious/noArrayIndexKey: a rule that is not saved is its place
          key={index}
          index={index}
          rule={rule}
          channels={all}
          onChange={(change) => setAdded(index, change)}
          onRemove={() => onChange({ ...rules, added: rules.added.filter((_, place) => place !== index) })}
        />
      ))}
      {first ? (
        <div>
          <Button
            small
            icon="plus"
            onClick={() =>
              onChange({
                ...rules,
                added: [...rules.added, { event: 'on_failure', afterFailures: '2', channel: first.id }],
              })
            }
          >
            {words.addRule}
          </Button>
        </div>
      ) : (
        <div className="btns">
          <span className="dim">{words.noChannels}</span>
          <LinkButton small icon="bell" href="/notifications">
            {words.makeChannel}
          </LinkButton>
        </div>
      )}
    </>
  );
}

interface SavedProps {
  rule: Rule;
  channel: Channel | undefined;
  isRemoved: boolean;
  onToggle: () => void;
}

function SavedRule({ rule, channel, isRemoved, onToggle }: SavedProps) {
  const label = [
    words.eventName(rule.event),
    rule.after_failures ? `${rule.after_failures} ${words.afterFailures}` : null,
  ]
    .filter(Boolean)
    .join(', ');
  return (
    <div className="rule">
      <span className={isRemoved ? 'faint struck' : undefined}>{label}</span>
      <span className={isRemoved ? 'faint struck' : undefined}>
        {channel?.name ?? rule.channel_id} <span className="faint">{channel?.type}</span>
      </span>
      <Button
        kind="ghost"
        small
        icon={isRemoved ? 'replay' : 'x'}
        label={isRemoved ? words.restoreRule : words.removeRule}
        onClick={onToggle}
      />
    </div>
  );
}

interface NewProps {
  index: number;
  rule: NewRule;
  channels: readonly Channel[];
  onChange: (change: Partial<NewRule>) => void;
  onRemove: () => void;
}

function NewRuleFields({ index, rule, channels, onChange, onRemove }: NewProps) {
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset would draw a frame and a legend
    <div className="rule" role="group" aria-label={words.rule(index + 1)}>
      <div className="btns">
        <SelectField
          label={words.event}
          labelHidden
          value={rule.event}
          options={Object.entries(words.events).map(([value, label]) => ({ value, label }))}
          onChange={(event) => onChange({ event })}
        />
        {countsFailures(rule.event) && (
          <>
            <input
              className="input mono w-number"
              aria-label={words.afterFailuresOf}
              inputMode="numeric"
              autoComplete="off"
              value={rule.afterFailures}
              onChange={(event) => onChange({ afterFailures: event.target.value.replace(/\D/g, '') })}
            />
            <span className="hint">{words.afterFailures}</span>
          </>
        )}
      </div>
      <SelectField
        label={words.channel}
        labelHidden
        value={rule.channel}
        options={channels.map(({ id, name, type }) => ({ value: id, label: `${name} · ${type}` }))}
        onChange={(channel) => onChange({ channel })}
      />
      <Button kind="ghost" small icon="x" label={words.removeRule} onClick={onRemove} />
    </div>
  );
}
