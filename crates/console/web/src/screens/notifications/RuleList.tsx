import { useState } from 'react';
import { Link } from 'wouter';
import { Problem } from '../../api/problem';
import { useChannels } from '../../api/queries/channels';
import { rowsOf } from '../../api/queries/paged';
import {
  useCreateWorkspaceRule,
  useDeleteWorkspaceRule,
  useWorkspaceRules,
  type WorkspaceRule,
  type WorkspaceRuleInput,
} from '../../api/queries/rules';
import { Blank } from '../../parts/Blank';
import { Button } from '../../parts/Button';
import { Icon } from '../../parts/Icon';
import { Loaded } from '../../parts/Loaded';
import { Bars } from '../../parts/Loading';
import { toast } from '../../parts/toasts';
import { words } from '../../words/en/notifications';
import { RuleForm } from './RuleForm';

/** The rules for many jobs, each as a sentence. */
export function RuleList({ onNew }: { onNew: () => void }) {
  return (
    <Loaded query={useWorkspaceRules()} bars={<Bars rows={3} />}>
      {({ data }) =>
        data.length > 0 ? (
          <ul className="things">
            {data.map((rule) => (
              <Row key={rule.id} rule={rule} />
            ))}
          </ul>
        ) : (
          <Blank
            icon="bell"
            title={words.noRules}
            action={
              <Button icon="plus" onClick={onNew}>
                {words.addRule}
              </Button>
            }
          >
            {words.noRulesWhy}
          </Blank>
        )
      }
    </Loaded>
  );
}

function Row({ rule }: { rule: WorkspaceRule }) {
  const [isChanging, setChanging] = useState(false);
  const channel = rowsOf(useChannels().data).find((it) => it.id === rule.channel_id);
  const remove = useDeleteWorkspaceRule();
  const create = useCreateWorkspaceRule();
  const said = words.rule(rule.event, rule.after_failures);
  async function drop() {
    try {
      await remove.mutateAsync(rule.id);
      toast({ text: words.deletedRule, undo: () => create.mutateAsync(inputOf(rule)) });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      toast({ text: error.message, tone: 'failed' });
    }
  }
  return (
    <li>
      <Icon name={rule.selector === 'tag' ? 'tag' : rule.selector === 'host' ? 'hosts' : 'jobs'} size={16} />
      <div className="two">
        <span className="strong">{said}</span>
        <small>
          <JobsOf rule={rule} /> · {words.reportsTo(channel?.name ?? words.deletedChannel)}
        </small>
      </div>
      <div className="btns">
        <Button small icon="edit" onClick={() => setChanging(true)}>
          {words.change}
          <span className="vh">: {said}</span>
        </Button>
        <Button
          kind="ghost"
          small
          icon="trash"
          label={words.deleteRule(said)}
          busy={remove.isPending}
          onClick={() => void drop()}
        />
      </div>
      {isChanging && <RuleForm rule={rule} onClose={() => setChanging(false)} />}
    </li>
  );
}

function JobsOf({ rule: { selector, value } }: { rule: WorkspaceRule }) {
  const filter = selector === 'all' || value === null ? '' : `?${selector}=${encodeURIComponent(value)}`;
  return <Link href={`/jobs${filter}`}>{words.jobsOf(selector, value)}</Link>;
}

function inputOf(rule: WorkspaceRule): WorkspaceRuleInput {
  const { channel_id, event, after_failures, selector, value } = rule;
  return { channel_id, event, after_failures, selector, value } as WorkspaceRuleInput;
}
