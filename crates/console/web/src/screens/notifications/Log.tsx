import { Link, useSearchParams } from 'wouter';
import { useChannels } from '../../api/queries/channels';
import {
  type Notification,
  type NotificationStatus,
  useJobName,
  useNotifications,
} from '../../api/queries/notifications';
import { rowsOf } from '../../api/queries/paged';
import { Blank } from '../../parts/Blank';
import { Button } from '../../parts/Button';
import { SelectField } from '../../parts/Field';
import { Glyph } from '../../parts/Glyph';
import { Loaded } from '../../parts/Loaded';
import { Bars } from '../../parts/Loading';
import { Status } from '../../parts/Status';
import { type Column, Table } from '../../parts/Table';
import { PlainWhen } from '../../parts/When';
import { words } from '../../words/en/notifications';
import { useMore } from '../configure/useMore';
import { Details } from './Details';
import { glyphOfDelivery, glyphOfEvent } from './delivery';

const STATUSES: readonly NotificationStatus[] = [
  'queued',
  'running',
  'retrying',
  'succeeded',
  'failed',
  'skipped',
];

/** All notifications, newest first; the address holds the filter, and the one that is open. */
export function Log() {
  const [params, setParams] = useSearchParams();
  const channels = rowsOf(useChannels().data);
  const status = STATUSES.find((it) => it === params.get('status'));
  const channel = params.get('channel') ?? undefined;
  const query = useNotifications({ status, channel_id: channel });
  const change = (next: Record<string, string>) => {
    const merged = { ...Object.fromEntries(params), ...next };
    setParams(Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== '')), {
      replace: true,
    });
  };
  const id = params.get('id');
  const isFiltered = status !== undefined || channel !== undefined;
  return (
    <>
      <div className="list-head">
        <SelectField
          label={words.channel}
          value={channel ?? ''}
          onChange={(value) => change({ channel: value })}
          options={[
            { value: '', label: words.allChannels },
            ...channels.map((it) => ({ value: it.id, label: it.name })),
          ]}
        />
        <SelectField
          label={words.result}
          value={status ?? ''}
          onChange={(value) => change({ status: value })}
          options={[
            { value: '' as string, label: words.allResults },
            ...STATUSES.map((value) => ({ value: value as string, label: words.delivery(value) })),
          ]}
        />
        <span className="small faint">
          {query.data && words.loaded(rowsOf(query.data).length, !query.hasNextPage)}
        </span>
      </div>
      <Loaded query={query} bars={<Bars rows={10} />}>
        {(data) => (
          <Rows
            rows={rowsOf(data)}
            query={query}
            nameOf={(channelId) => channels.find((it) => it.id === channelId)?.name}
            onOpen={(it) => change({ id: it.id })}
            onClear={isFiltered ? () => change({ status: '', channel: '' }) : null}
          />
        )}
      </Loaded>
      {id && <Details id={id} onClose={() => change({ id: '' })} />}
    </>
  );
}

interface RowsProps {
  rows: readonly Notification[];
  query: ReturnType<typeof useNotifications>;
  nameOf: (channelId: string) => string | undefined;
  onOpen: (notification: Notification) => void;
  onClear: (() => void) | null;
}

function Rows({ rows, query, nameOf, onOpen, onClear }: RowsProps) {
  const more = useMore(query);
  const columns: Column<Notification>[] = [
    {
      id: 'at',
      head: words.when,
      className: 'w-when',
      cell: ({ created_at: at }) => <PlainWhen at={at} seconds />,
    },
    {
      id: 'event',
      head: words.event,
      names: true,
      className: 'w-event',
      cell: (it) => <Event notification={it} onOpen={() => onOpen(it)} />,
    },
    {
      id: 'channel',
      head: words.channel,
      className: 'w-channel w-wide',
      cell: (it) => nameOf(it.channel_id) ?? <span className="faint">{words.deletedChannel}</span>,
    },
    { id: 'result', head: words.result, className: 'w-result', cell: (it) => <Result notification={it} /> },
    {
      id: 'attempts',
      head: words.attempts,
      className: 'w-attempts w-wide',
      numeric: true,
      cell: (it) => it.attempts.length || <span className="faint">{words.unknown}</span>,
    },
  ];
  return (
    <Table
      main
      label={words.tabs.log}
      className="fixed log"
      rows={rows}
      rowKey={(it) => it.id}
      rowName={(it) => words.events[it.event] ?? it.event}
      columns={columns}
      onOpen={onOpen}
      {...more}
      blank={
        <Blank
          icon="bell"
          title={onClear ? words.noMatch : words.nothingYet}
          action={onClear && <Button onClick={onClear}>{words.clear}</Button>}
        >
          {onClear ? words.noMatchWhy : words.nothingYetWhy}
        </Blank>
      }
    />
  );
}

function Event({ notification, onOpen }: { notification: Notification; onOpen: () => void }) {
  const { event, job_id: job, execution_id: run } = notification;
  return (
    <div className="two">
      <span>
        <button type="button" className="row-button" tabIndex={-1} onClick={onOpen}>
          <span className="event">
            <Glyph name={glyphOfEvent(event)} size={14} />
            {words.events[event] ?? event}
          </span>
        </button>
      </span>
      <small className="of-job">
        {job ? <JobName id={job} /> : words.testOf}
        {run && (
          <>
            {' · '}
            <Link href={`/runs/${run}`}>{words.run}</Link>
          </>
        )}
      </small>
    </div>
  );
}

function JobName({ id }: { id: string }) {
  const { data, isError } = useJobName(id);
  return <Link href={`/jobs/${id}`}>{data ?? (isError ? words.deletedJob : words.job)}</Link>;
}

function Result({ notification: it }: { notification: Notification }) {
  const last = it.attempts.at(-1);
  return (
    <div className="two">
      <Status glyph={glyphOfDelivery(it.status)}>
        {words.resultOf(it.status, last?.status_code ?? null)}
      </Status>
      {it.status !== 'succeeded' && <small>{last?.error ?? words.errorClass(it.error_class)}</small>}
    </div>
  );
}
