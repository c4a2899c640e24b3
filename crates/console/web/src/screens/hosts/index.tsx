import { Link, useLocation, useSearchParams } from 'wouter';
import { type Host, useHosts } from '../../api/queries/hosts';
import { Share } from '../../charts/Share';
import { count, duration, percent, ratio } from '../../format';
import { Blank } from '../../parts/Blank';
import { Boundary } from '../../parts/Boundary';
import { Button, LinkButton } from '../../parts/Button';
import { Loaded } from '../../parts/Loaded';
import { Bars } from '../../parts/Loading';
import { Menu, type MenuItem } from '../../parts/Menu';
import { QueryBar } from '../../parts/QueryBar';
import { Say } from '../../parts/Say';
import { Status } from '../../parts/Status';
import { type Column, Table } from '../../parts/Table';
import { Page } from '../../shell/Page';
import { words } from '../../words/en/hosts';
import { words as parts } from '../../words/en/parts';
import { useNarrow } from '../runs/useNarrow';
import { readSort, SORTS, sorted } from './sorting';
import { useHostActions } from './useHostActions';
import './hosts.css';

/** The address of the page of a host. */
function hostHref(host: string): string {
  return `/hosts/${encodeURIComponent(host)}`;
}

/** All hosts that jobs call: how they do, what comes, and a pause for all jobs of one. */
export default function Hosts() {
  const query = useHosts();
  const [params, setParams] = useSearchParams();
  const text = params.get('q') ?? '';
  const sort = readSort(params.get('sort'));
  const change = (next: { text?: string; sort?: string }) => {
    const to = new URLSearchParams();
    const [q, by] = [next.text ?? text, next.sort ?? sort];
    if (q) to.set('q', q);
    if (by !== 'attention') to.set('sort', by);
    setParams(to, { replace: true });
  };
  return (
    <Page title={words.title}>
      <h1 className="vh">{words.title}</h1>
      <div className="hosts-bar">
        <QueryBar
          label={words.filter}
          placeholder={words.filterHint}
          text={text}
          chips={[]}
          keys={[]}
          onChange={(typed) => change({ text: typed.text })}
        />
        <Menu
          icon="sort"
          label={`${words.sort}: ${words.sorts[sort]}`}
          items={SORTS.map((it) => ({
            label: words.sorts[it] ?? it,
            checked: it === sort,
            onSelect: () => change({ sort: it }),
          }))}
        >
          <span className="only-wide">{words.sorts[sort]}</span>
        </Menu>
      </div>
      <Boundary>
        <Loaded query={query} bars={<Bars rows={8} />}>
          {({ data, is_complete }) => (
            <>
              {!is_complete && <Say tone="warn">{words.incomplete}</Say>}
              <List
                hosts={sorted(data, sort, text)}
                all={data}
                text={text}
                onClear={() => change({ text: '' })}
              />
            </>
          )}
        </Loaded>
      </Boundary>
    </Page>
  );
}

interface ListProps {
  hosts: readonly Host[];
  all: readonly Host[];
  text: string;
  onClear: () => void;
}

function List({ hosts, all, text, onClear }: ListProps) {
  const [, navigate] = useLocation();
  const actions = useHostActions();
  const isNarrow = useNarrow();
  const busiest = Math.max(1, ...all.map((it) => it.next_hour));
  const columns = columnsOf(actions, busiest).filter((column) => !isNarrow || NARROW.includes(column.id));
  return (
    <Table
      main
      label={words.table(hosts.length)}
      className="hosts-list"
      rows={hosts}
      rowKey={(host) => host.host}
      rowName={(host) => host.host}
      columns={columns}
      onOpen={(host) => navigate(hostHref(host.host))}
      onRowKey={(key, host) => {
        if (key.toLowerCase() !== 'p' || actions.refused || actions.busy || host.active === 0) return false;
        actions.pause(host.host);
        return true;
      }}
      blank={
        all.length === 0 ? (
          <Blank
            icon="hosts"
            title={words.none}
            action={<LinkButton href="/jobs/new">{words.newJob}</LinkButton>}
          >
            <p>{words.noneWhy}</p>
          </Blank>
        ) : (
          <Blank
            icon="filter"
            title={words.noMatch(text)}
            action={<Button onClick={onClear}>{words.clear}</Button>}
          />
        )
      }
    />
  );
}

const NARROW = ['host', 'failing', 'rate'];

function columnsOf(actions: ReturnType<typeof useHostActions>, busiest: number): Column<Host>[] {
  return [
    {
      id: 'host',
      head: words.host,
      names: true,
      cell: (it) => (
        <div className="two">
          <Link className="row-link" href={hostHref(it.host)} tabIndex={-1}>
            {it.host}
          </Link>
          <small>{words.active(it.active, it.jobs)}</small>
        </div>
      ),
    },
    {
      id: 'failing',
      head: words.failing,
      numeric: true,
      className: 'w-failing',
      cell: (it) =>
        it.failing > 0 ? (
          <Status glyph="bad">{words.failingJobs(it.failing)}</Status>
        ) : (
          <span className="faint">–</span>
        ),
    },
    {
      id: 'rate',
      head: words.rate,
      numeric: true,
      className: 'w-rate',
      cell: (it) => <Rate host={it} />,
    },
    {
      id: 'p95',
      head: words.p95,
      numeric: true,
      className: 'w-p95',
      cell: (it) => <span className="dim">{duration(it.p95_ms)}</span>,
    },
    {
      id: 'next',
      head: words.nextHour,
      numeric: true,
      className: 'w-next',
      cell: (it) => (
        <span className="hosts-next">
          <Share part={it.next_hour} whole={busiest} />
          <span>{count(it.next_hour)}</span>
        </span>
      ),
    },
    {
      id: 'more',
      head: words.more,
      headHidden: true,
      className: 'w-more',
      cell: (it) => (
        <Menu kind="ghost" small icon="more" label={parts.moreFor(it.host)} items={itemsOf(it, actions)} />
      ),
    },
  ];
}

function Rate({ host }: { host: Host }) {
  const all = host.succeeded_7d + host.failed_7d;
  const rate = ratio(host.succeeded_7d, all);
  return (
    <div className="two">
      <span>{rate === null ? '–' : percent(rate)}</span>
      <small>{all === 0 ? words.noRuns : words.runs(all)}</small>
    </div>
  );
}

function itemsOf(it: Host, actions: ReturnType<typeof useHostActions>): MenuItem[] {
  const host = encodeURIComponent(it.host);
  const refused = actions.refused && { refused: actions.refused };
  return [
    { label: words.open, icon: 'right', href: hostHref(it.host) },
    { label: words.openJobs, icon: 'jobs', href: `/jobs?host=${host}` },
    { label: words.openRuns, icon: 'runs', href: `/runs?host=${host}` },
    { label: words.openLoad, icon: 'radar', href: `/load?host=${host}` },
    'line',
    ...(it.active > 0
      ? [
          {
            label: words.pause(it.active),
            icon: 'pause' as const,
            keys: 'P',
            onSelect: () => actions.pause(it.host),
            ...refused,
          },
        ]
      : []),
    ...(it.active < it.jobs
      ? [{ label: words.resume, icon: 'play' as const, onSelect: () => actions.resume(it.host), ...refused }]
      : []),
  ];
}
