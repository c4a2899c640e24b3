import { Link } from 'wouter';
import { useChannels } from '../../api/queries/channels';
import { type Notification, useJobName, useNotification } from '../../api/queries/notifications';
import { rowsOf } from '../../api/queries/paged';
import { duration } from '../../format';
import { Dialog } from '../../parts/Dialog';
import { Fact, Facts } from '../../parts/Facts';
import { Id } from '../../parts/Id';
import { Loaded } from '../../parts/Loaded';
import { Status } from '../../parts/Status';
import { Table } from '../../parts/Table';
import { PlainWhen, When } from '../../parts/When';
import { words } from '../../words/en/notifications';
import { glyphOfDelivery } from './delivery';

/** One notification, with all its attempts. */
export function Details({ id, onClose }: { id: string; onClose: () => void }) {
  const query = useNotification(id);
  const title = query.data ? (words.events[query.data.event] ?? query.data.event) : words.notification;
  return (
    <Dialog title={title} wide onClose={onClose}>
      <Loaded query={query}>
        {(it) => (
          <>
            <All notification={it} />
            <Attempts notification={it} />
          </>
        )}
      </Loaded>
    </Dialog>
  );
}

function All({ notification: it }: { notification: Notification }) {
  const channel = rowsOf(useChannels().data).find((each) => each.id === it.channel_id);
  return (
    <Facts>
      <Fact name={words.result}>
        <Status glyph={glyphOfDelivery(it.status)}>{words.delivery(it.status)}</Status>
      </Fact>
      {it.error_class && <Fact name={words.why}>{words.errorClass(it.error_class)}</Fact>}
      <Fact name={words.channel}>{channel?.name ?? words.deletedChannel}</Fact>
      <Fact name={words.job}>{it.job_id && <JobLink id={it.job_id} />}</Fact>
      <Fact name={words.run}>
        {it.execution_id && <Link href={`/runs/${it.execution_id}`}>{it.execution_id}</Link>}
      </Fact>
      <Fact name={words.createdAt}>
        <When at={it.created_at} seconds />
      </Fact>
      {it.next_attempt_at && (
        <Fact name={words.nextAttemptAt}>
          <When at={it.next_attempt_at} seconds />
        </Fact>
      )}
      <Fact name={words.id}>
        <Id id={it.id} />
      </Fact>
    </Facts>
  );
}

function JobLink({ id }: { id: string }) {
  return <Link href={`/jobs/${id}`}>{useJobName(id).data ?? id}</Link>;
}

function Attempts({ notification }: { notification: Notification }) {
  return (
    <Table
      label={words.attempts}
      className="attempts"
      rows={notification.attempts}
      rowKey={(it) => String(it.number)}
      rowName={(it) => words.attempt(it.number)}
      columns={[
        { id: 'number', head: words.attempt1, names: true, className: 'w-attempts', cell: (it) => it.number },
        {
          id: 'at',
          head: words.when,
          className: 'w-when',
          cell: (it) => <PlainWhen at={it.started_at} seconds />,
        },
        {
          id: 'result',
          head: words.result,
          cell: (it) => (
            <div className="two">
              <Status glyph={it.status === 'success' ? 'ok' : 'bad'}>{words.attemptStatus(it)}</Status>
              {it.error && <small title={it.error}>{it.error}</small>}
            </div>
          ),
        },
        {
          id: 'duration',
          head: words.duration,
          className: 'w-channel w-wide',
          numeric: true,
          cell: (it) => duration(it.duration_ms),
        },
      ]}
      blank={<p className="faint">{words.noAttempts}</p>}
    />
  );
}
