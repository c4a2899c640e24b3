import { useState } from 'react';
import { Link } from 'wouter';
import { Problem } from '../../api/problem';
import { type Channel, useChannels, useDeleteChannel } from '../../api/queries/channels';
import { type Notification, useNotification, useTestChannel } from '../../api/queries/notifications';
import { rowsOf } from '../../api/queries/paged';
import { Badge } from '../../parts/Badge';
import { Blank } from '../../parts/Blank';
import { Button } from '../../parts/Button';
import { Icon } from '../../parts/Icon';
import { Loaded } from '../../parts/Loaded';
import { Bars } from '../../parts/Loading';
import { Menu } from '../../parts/Menu';
import { Status } from '../../parts/Status';
import { toast } from '../../parts/toasts';
import { PlainWhen } from '../../parts/When';
import { words } from '../../words/en/notifications';
import { AskAndDo } from '../configure/AskAndDo';
import { ChannelForm } from './ChannelForm';
import { glyphOfDelivery } from './delivery';
import { useSnoozeItems } from './snooze';
import { TestReport } from './TestReport';

/** The channels, with what became of their last message. */
export function ChannelList({ onNew }: { onNew: () => void }) {
  return (
    <Loaded query={useChannels()} bars={<Bars rows={4} />}>
      {(data) => {
        const channels = rowsOf(data);
        if (channels.length > 0) {
          return (
            <ul className="things">
              {channels.map((channel) => (
                <Row key={channel.id} channel={channel} />
              ))}
            </ul>
          );
        }
        return (
          <Blank
            icon="bell"
            title={words.none}
            action={
              <Button icon="plus" onClick={onNew}>
                {words.add}
              </Button>
            }
          >
            {words.noneWhy}
          </Blank>
        );
      }}
    </Loaded>
  );
}

function Row({ channel }: { channel: Channel }) {
  const [asked, setAsked] = useState<'change' | 'delete' | null>(null);
  const snoozing = useSnoozeItems(channel);
  const { test, report, refusal, isSending, dismiss } = useTest(channel.id);
  return (
    <li>
      <Icon name="bell" size={16} />
      <div className="two">
        <span className="strong">
          {channel.name}
          {channel.snoozed_until && (
            <Badge glyph="pause">
              {words.snoozedUntil} <PlainWhen at={channel.snoozed_until} />
            </Badge>
          )}
        </span>
        <small>
          {words.types[channel.type] ?? channel.type} · {destinationOf(channel)}
        </small>
      </div>
      <div className="btns">
        <LastDelivery channel={channel} />
        <Button small busy={isSending} onClick={() => void test()}>
          {words.test}
          <span className="vh"> {words.toChannel(channel.name)}</span>
        </Button>
        <Menu
          kind="ghost"
          small
          icon="more"
          label={words.moreFor(channel.name)}
          items={[
            { label: words.change, icon: 'edit', onSelect: () => setAsked('change') },
            { label: words.itsLog, icon: 'audit', href: `/notifications/log?channel=${channel.id}` },
            'line',
            ...snoozing,
            'line',
            { label: words.delete, icon: 'trash', danger: true, onSelect: () => setAsked('delete') },
          ]}
        />
      </div>
      {(report || refusal) && (
        <div className="under">
          <TestReport notification={report} refusal={refusal} onDismiss={dismiss} />
        </div>
      )}
      {asked === 'change' && <ChannelForm channel={channel} onClose={() => setAsked(null)} />}
      {asked === 'delete' && <DeleteChannel channel={channel} onClose={() => setAsked(null)} />}
    </li>
  );
}

/** Sends a test and follows it, so that the result stands below the channel. */
function useTest(channelId: string) {
  const send = useTestChannel();
  const [id, setId] = useState<string | null>(null);
  const [refusal, setRefusal] = useState<string | null>(null);
  const followed = useNotification(id);
  async function test() {
    setRefusal(null);
    setId(null);
    try {
      setId((await send.mutateAsync(channelId)).id);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setRefusal(error.message);
    }
  }
  function dismiss() {
    setId(null);
    setRefusal(null);
  }
  const report: Notification | null = (id && followed.data) || null;
  const isSending = send.isPending || report?.status === 'queued' || report?.status === 'running';
  return { test, report, refusal, isSending, dismiss };
}

function destinationOf({ config }: Channel): string {
  return 'url' in config ? config.url : config.to.join(', ');
}

function LastDelivery({ channel: { id, last_delivery: last } }: { channel: Channel }) {
  if (last === null) return <span className="small faint last">{words.nothingSent}</span>;
  return (
    <Link
      href={`/notifications/log?channel=${id}`}
      className="small last"
      title={words.errorClass(last.error_class)}
    >
      <Status glyph={glyphOfDelivery(last.status)} size={12}>
        {words.delivery(last.status)} <PlainWhen at={last.at} />
      </Status>
    </Link>
  );
}

function DeleteChannel({ channel, onClose }: { channel: Channel; onClose: () => void }) {
  const remove = useDeleteChannel();
  const [inUse, setInUse] = useState<string | null>(null);
  return (
    <AskAndDo
      key={String(inUse !== null)}
      title={inUse === null ? words.askDelete(channel.name) : words.askDeleteRules(channel.name)}
      confirm={inUse === null ? words.delete : words.deleteRules}
      onConfirm={async () => {
        try {
          await remove.mutateAsync({ id: channel.id, force: inUse !== null });
        } catch (error) {
          if (!(error instanceof Problem) || error.code !== 'channel_in_use') throw error;
          setInUse(error.message);
          return 'stay';
        }
        toast({ text: words.deleted(channel.name) });
      }}
      onClose={onClose}
    >
      <p>{inUse === null ? words.askDeleteWhy : `${inUse} ${words.askDeleteRulesWhy}`}</p>
    </AskAndDo>
  );
}
