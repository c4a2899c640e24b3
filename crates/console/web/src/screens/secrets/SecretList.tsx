import { useState } from 'react';
import { Link, useLocation, useSearchParams } from 'wouter';
import { rowsOf } from '../../api/queries/paged';
import { type Secret, useSecretOfRow, useSecrets } from '../../api/queries/secrets';
import { Blank } from '../../parts/Blank';
import { Button } from '../../parts/Button';
import { Loaded } from '../../parts/Loaded';
import { Bars } from '../../parts/Loading';
import { Menu } from '../../parts/Menu';
import { type Column, Table } from '../../parts/Table';
import { PlainWhen } from '../../parts/When';
import { words } from '../../words/en/secrets';
import { Head } from '../configure/Head';
import { useMore } from '../configure/useMore';
import { DeleteSecret } from './DeleteSecret';
import { NewSecret, ReplaceSecret } from './SecretForms';
import './secrets.css';

type Asked = { replace: string } | { delete: string } | null;

/** All secrets: what their versions are, and which jobs use them. */
export function SecretList() {
  const query = useSecrets();
  const [params, setParams] = useSearchParams();
  const [asked, setAsked] = useState<Asked>(null);
  const isNew = params.has('new');
  const showNew = (shown: boolean) => setParams(shown ? { new: '' } : {}, { replace: true });
  return (
    <>
      <Head
        title={words.title}
        end={
          <Button kind="solid" icon="plus" onClick={() => showNew(true)}>
            {words.add}
          </Button>
        }
      >
        {words.about}
      </Head>
      <Loaded query={query} bars={<Bars rows={6} />}>
        {(data) => <Rows rows={rowsOf(data)} query={query} onAsk={setAsked} onNew={() => showNew(true)} />}
      </Loaded>
      {isNew && <NewSecret name={params.get('new') ?? ''} onClose={() => showNew(false)} />}
      {asked && 'replace' in asked && <ReplaceSecret name={asked.replace} onClose={() => setAsked(null)} />}
      {asked && 'delete' in asked && <DeleteSecret name={asked.delete} onClose={() => setAsked(null)} />}
    </>
  );
}

interface RowsProps {
  rows: readonly Secret[];
  query: ReturnType<typeof useSecrets>;
  onAsk: (asked: Asked) => void;
  onNew: () => void;
}

function Rows({ rows, query, onAsk, onNew }: RowsProps) {
  const [, navigate] = useLocation();
  const more = useMore(query);
  const columns: Column<Secret>[] = [
    { id: 'name', head: words.name, names: true, cell: (secret) => <NameCell secret={secret} /> },
    { id: 'used', head: words.usedBy, className: 'w-used', cell: (secret) => <UsedBy name={secret.name} /> },
    {
      id: 'version',
      head: words.version,
      className: 'w-version w-wide',
      numeric: true,
      cell: (secret) => words.versionOf(secret.version),
    },
    {
      id: 'changed',
      head: words.changed,
      className: 'w-changed w-wide',
      cell: (secret) => <PlainWhen at={secret.updated_at} />,
    },
    {
      id: 'more',
      head: words.more,
      headHidden: true,
      className: 'w-more',
      cell: ({ name }) => (
        <Menu
          kind="ghost"
          small
          icon="more"
          label={words.moreFor(name)}
          items={[
            { label: words.replace, icon: 'replay', onSelect: () => onAsk({ replace: name }) },
            { label: words.jobsWith, icon: 'jobs', href: `/jobs?secret=${encodeURIComponent(name)}` },
            'line',
            { label: words.delete, icon: 'trash', danger: true, onSelect: () => onAsk({ delete: name }) },
          ]}
        />
      ),
    },
  ];
  return (
    <Table
      main
      label={words.title}
      className="fixed secrets"
      rows={rows}
      rowKey={(secret) => secret.id}
      rowName={(secret) => secret.name}
      columns={columns}
      onOpen={(secret) => navigate(`/secrets/${encodeURIComponent(secret.name)}`)}
      {...more}
      blank={
        <Blank
          icon="key"
          title={words.none}
          action={
            <Button icon="plus" onClick={onNew}>
              {words.add}
            </Button>
          }
        >
          {words.noneWhy}
        </Blank>
      }
    />
  );
}

function NameCell({ secret }: { secret: Secret }) {
  return (
    <div className="two">
      <span>
        <Link href={`/secrets/${encodeURIComponent(secret.name)}`} className="row-link">
          {secret.name}
        </Link>
      </span>
      <small className="mono">{words.reference(secret.name)}</small>
    </div>
  );
}

/** The jobs of a row: read after the list, as no list contains them. */
function UsedBy({ name }: { name: string }) {
  const { data, isError } = useSecretOfRow(name);
  if (isError) return <span className="faint">{words.unknown}</span>;
  const jobs = data?.used_by;
  if (!jobs) return null;
  if (jobs.length === 0) return <span className="faint">{words.unused}</span>;
  return (
    <div className="two">
      <span>{words.jobs(jobs.length)}</span>
      <small>{jobs.map((job) => job.name).join(', ')}</small>
    </div>
  );
}
