import { useSearchParams } from 'wouter';
import { type AuditAction, type AuditEntry, useAuditLog } from '../../api/queries/audit';
import { rowsOf } from '../../api/queries/paged';
import { Blank } from '../../parts/Blank';
import { Button } from '../../parts/Button';
import { SelectField } from '../../parts/Field';
import { Icon } from '../../parts/Icon';
import { Loaded } from '../../parts/Loaded';
import { Bars } from '../../parts/Loading';
import { type Column, Table } from '../../parts/Table';
import { PlainWhen } from '../../parts/When';
import { words } from '../../words/en/audit';
import { Head } from '../configure/Head';
import { useMore } from '../configure/useMore';
import { ACTIONS } from './actions';
import { downloadCsv } from './csv';
import { Entry } from './Entry';
import './audit.css';

/** The log, newest first; the address holds the action that is filtered by, and the entry that is open. */
export function AuditLog() {
  const [params, setParams] = useSearchParams();
  const action = ACTIONS.find((it) => it === params.get('action'));
  const query = useAuditLog(action);
  const rows = rowsOf(query.data);
  const open = rows.find((it) => it.id === params.get('entry'));
  const change = (next: { action?: string | undefined; entry?: string | undefined }) => {
    const merged = { action, ...next };
    setParams(
      Object.fromEntries(Object.entries(merged).filter((it): it is [string, string] => Boolean(it[1]))),
      {
        replace: true,
      },
    );
  };
  return (
    <>
      <Head title={words.title}>{words.about}</Head>
      <div className="list-head">
        <SelectField
          label={words.action}
          value={action ?? ''}
          onChange={(value) => change({ action: value || undefined })}
          options={[
            { value: '', label: words.allActions },
            ...ACTIONS.map((value) => ({ value: value as string, label: words.actionName(value) })),
          ]}
        />
        <span className="small faint">{query.data && words.loaded(rows.length, !query.hasNextPage)}</span>
        <Button
          icon="download"
          refused={rows.length === 0 ? words.nothingToSave : undefined}
          onClick={() => downloadCsv(rows)}
        >
          {words.csv}
        </Button>
      </div>
      <Loaded query={query} bars={<Bars rows={12} />}>
        {() => (
          <Rows
            rows={rows}
            query={query}
            action={action}
            onOpen={(entry) => change({ entry: entry.id })}
            onClear={() => change({ action: undefined })}
          />
        )}
      </Loaded>
      {open && <Entry entry={open} onClose={() => change({ entry: undefined })} />}
    </>
  );
}

interface RowsProps {
  rows: readonly AuditEntry[];
  query: ReturnType<typeof useAuditLog>;
  action: AuditAction | undefined;
  onOpen: (entry: AuditEntry) => void;
  onClear: () => void;
}

function Rows({ rows, query, action, onOpen, onClear }: RowsProps) {
  const more = useMore(query);
  const columns: Column<AuditEntry>[] = [
    {
      id: 'at',
      head: words.when,
      className: 'w-when',
      cell: ({ created_at: at }) => <PlainWhen at={at} seconds />,
    },
    { id: 'who', head: words.who, className: 'w-who w-wide', cell: (entry) => <Who entry={entry} /> },
    {
      id: 'what',
      head: words.what,
      names: true,
      cell: (entry) => <What entry={entry} onOpen={() => onOpen(entry)} />,
    },
    {
      id: 'from',
      head: words.from,
      className: 'w-from w-wide',
      cell: ({ address }) => <span className="dim">{address ?? words.unknown}</span>,
    },
  ];
  return (
    <Table
      main
      label={words.title}
      className="fixed audit"
      rows={rows}
      rowKey={(entry) => entry.id}
      rowName={words.sentence}
      columns={columns}
      onOpen={onOpen}
      {...more}
      blank={
        query.isFetching ? null : (
          <Blank
            icon="audit"
            title={action ? words.noneOf(words.actionName(action)) : words.none}
            action={action && <Button onClick={onClear}>{words.showAll}</Button>}
          >
            {action ? words.noneOfWhy : words.noneWhy}
          </Blank>
        )
      }
    />
  );
}

function Who({ entry: { actor } }: { entry: AuditEntry }) {
  return (
    <span className="who-cell">
      <Icon
        name={actor.type === 'token' ? 'code' : actor.type === 'operator' ? 'shield' : 'people'}
        size={12}
      />
      <span className="cut" title={actor.name ?? undefined}>
        {words.actor(actor)}
      </span>
    </span>
  );
}

function What({ entry, onOpen }: { entry: AuditEntry; onOpen: () => void }) {
  const details = words.details(entry.details);
  return (
    <div className="two">
      <span>
        <button type="button" className="row-button" tabIndex={-1} onClick={onOpen}>
          {words.what1(entry.action)} <span className="strong">{words.target(entry)}</span>
        </button>
      </span>
      <small>
        <span className="only-narrow">
          {words.actor(entry.actor)}
          {details && ' · '}
        </span>
        {details}
      </small>
    </div>
  );
}
