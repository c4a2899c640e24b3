import { Link } from 'wouter';
import {
  type Channel,
  type Rule,
  useAddRule,
  useChannelChoices,
  useJobNotifications,
  useRemoveRule,
  useRules,
} from '../../api/queries/jobDetails';
import type { Job } from '../../api/queries/jobs';
import { Blank } from '../../parts/Blank';
import { Button, LinkButton } from '../../parts/Button';
import { Loaded } from '../../parts/Loaded';
import { Section } from '../../parts/Section';
import { glyphOf, Status } from '../../parts/Status';
import { toast } from '../../parts/toasts';
import { When } from '../../parts/When';
import { useCan } from '../../shell/workspace';
import { words } from '../../words/en/job';
import { sayProblem } from '../jobs/actions';
import { RuleForm } from './RuleForm';
import { useJobZone } from './zone';

/** Whom the job notifies and when, and what was sent. */
export function Alerts({ job }: { job: Job }) {
  const channels = useChannelChoices();
  return (
    <div className="definition alone">
      <Section title={words.rules}>
        <p className="small dim">{words.rulesHow}</p>
        <Loaded query={channels}>
          {(all) =>
            all.length === 0 ? (
              <Blank
                icon="bell"
                title={words.noChannels}
                action={<LinkButton href="/notifications">{words.toChannels}</LinkButton>}
              >
                <p>{words.noChannelsWhy}</p>
              </Blank>
            ) : (
              <Rules job={job} channels={all} />
            )
          }
        </Loaded>
      </Section>
      <Section title={words.notified}>
        <Notified job={job} channels={channels.data ?? []} />
      </Section>
    </div>
  );
}

interface Props {
  job: Job;
  channels: readonly Channel[];
}

function nameOf(channels: readonly Channel[], id: string): string {
  return channels.find((it) => it.id === id)?.name ?? id;
}

function Rules({ job, channels }: Props) {
  const rules = useRules(job.id);
  const can = useCan();
  return (
    <>
      <Loaded query={rules}>
        {(all) =>
          all.length === 0 ? (
            <Blank icon="bell" title={words.noRules}>
              <p>{words.noRulesWhy}</p>
            </Blank>
          ) : (
            <table className="tbl compact">
              <caption className="vh">{words.rules}</caption>
              <thead>
                <tr>
                  <th scope="col">{words.channel}</th>
                  <th scope="col">{words.event}</th>
                  <th scope="col">{words.afterFailures}</th>
                  <th scope="col">
                    <span className="vh">{words.removeRule}</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {all.map((rule) => (
                  <RuleLine key={rule.id} job={job} rule={rule} channel={nameOf(channels, rule.channel_id)} />
                ))}
              </tbody>
            </table>
          )
        }
      </Loaded>
      {can('notifications:write') && <RuleForm job={job} channels={channels} />}
    </>
  );
}

function RuleLine({ job, rule, channel }: { job: Job; rule: Rule; channel: string }) {
  const remove = useRemoveRule(job.id);
  const { mutateAsync: add } = useAddRule(job.id);
  const can = useCan();
  const { channel_id, event, after_failures } = rule;
  const undo = () => add({ channel_id, event: event as 'on_failure', after_failures });
  return (
    <tr>
      <th scope="row">{channel}</th>
      <td>{words.events[event] ?? event}</td>
      <td>{after_failures === null ? '–' : words.inARow(after_failures)}</td>
      <td className="num">
        {can('notifications:write') && (
          <Button
            kind="ghost"
            small
            icon="trash"
            label={words.removeRule}
            busy={remove.isPending}
            onClick={() =>
              remove.mutate(rule.id, {
                onSuccess: () => toast({ text: words.ruleRemoved, undo }),
                onError: sayProblem,
              })
            }
          />
        )}
      </td>
    </tr>
  );
}

function Notified({ job, channels }: Props) {
  const sent = useJobNotifications(job.id);
  const zone = useJobZone(job);
  return (
    <Loaded query={sent}>
      {(all) =>
        all.length === 0 ? (
          <p className="dim">{words.noNotified}</p>
        ) : (
          <table className="tbl compact">
            <caption className="vh">{words.notified}</caption>
            <thead>
              <tr>
                <th scope="col">{words.at}</th>
                <th scope="col">{words.channel}</th>
                <th scope="col">{words.event}</th>
                <th scope="col">{words.status}</th>
              </tr>
            </thead>
            <tbody>
              {all.map((it) => (
                <tr key={it.id}>
                  <th scope="row">
                    {it.execution_id ? (
                      <Link className="row-link" href={`/runs/${it.execution_id}`}>
                        <When at={it.created_at} zone={zone} seconds />
                      </Link>
                    ) : (
                      <When at={it.created_at} zone={zone} seconds />
                    )}
                  </th>
                  <td>{nameOf(channels, it.channel_id)}</td>
                  <td>{words.notifiedEvents[it.event] ?? it.event}</td>
                  <td>
                    <Status glyph={glyphOf(it.status)}>{it.error_class ?? it.status}</Status>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        )
      }
    </Loaded>
  );
}
