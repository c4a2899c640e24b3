import { useCallback, useMemo } from 'react';
import { useLocation, useSearchParams } from 'wouter';
import { type Job, useJobCounts } from '../../api/queries/jobs';
import { LinkButton } from '../../parts/Button';
import { ErrorPanel } from '../../parts/ErrorPanel';
import { Bars } from '../../parts/Loading';
import { Menu } from '../../parts/Menu';
import { QueryBar } from '../../parts/QueryBar';
import { Table } from '../../parts/Table';
import { useSelection } from '../../parts/useSelection';
import { useListedKeys } from '../../shell/keys';
import { Page } from '../../shell/Page';
import { useCan } from '../../shell/workspace';
import { common } from '../../words/en';
import { words } from '../../words/en/jobs';
import '../../styles/jobs.css';
import './jobs.css';
import { useJobActions } from './actions';
import { Bulk } from './Bulk';
import { useColumns } from './columns';
import { NoJobs, NoMatch } from './empty';
import {
  apiFilter,
  CHIP_KEYS,
  CHIP_VALUES,
  chipsBesideView,
  oneEach,
  type Query,
  readQuery,
  SORTS,
  writeQuery,
} from './filter';
import { useFilterValues } from './useFilterValues';
import { useJobRows } from './useJobRows';
import { useLiveRows } from './useLiveRows';
import { Views } from './Views';

/** Jobs: views, a filter, rows, and what can be done with those that are selected. */
export default function Jobs() {
  const [query, setQuery] = useQueryInAddress();
  const can = useCan();
  return (
    <Page
      title={words.title}
      actions={
        can('jobs:write') && (
          <>
            <LinkButton className="only-wide" icon="copy" href="/import">
              {words.import}
            </LinkButton>
            <LinkButton kind="solid" icon="plus" keys="C" href="/jobs/new">
              {words.newJob}
            </LinkButton>
          </>
        )
      }
    >
      <h1 className="vh">{words.title}</h1>
      <Views query={query} />
      <Filter query={query} onChange={setQuery} />
      <h2 className="vh">{words.list}</h2>
      <List query={query} onChange={setQuery} />
    </Page>
  );
}

function useQueryInAddress(): [Query, (query: Query) => void] {
  const [params, setParams] = useSearchParams();
  const text = params.toString();
  const query = useMemo(() => readQuery(new URLSearchParams(text)), [text]);
  // Typing a word must not fill the history; a view is a link, and does.
  const set = useCallback((next: Query) => setParams(writeQuery(next), { replace: true }), [setParams]);
  return [query, set];
}

interface Props {
  query: Query;
  onChange: (query: Query) => void;
}

function Filter({ query, onChange }: Props) {
  const values = useFilterValues();
  const keys = CHIP_KEYS.map((key) => ({
    key,
    hint: words.keys[key] ?? '',
    values: CHIP_VALUES[key] ?? values[key],
  }));
  const beside = chipsBesideView(query);
  const ofView = query.chips.filter((chip) => !beside.includes(chip));
  return (
    <div className="bar">
      <QueryBar
        label={words.filter}
        placeholder={words.filterHint}
        text={query.text}
        chips={beside}
        keys={keys}
        onChange={({ text, chips }) => onChange({ ...query, text, chips: oneEach([...ofView, ...chips]) })}
      />
      <Menu
        icon="sort"
        items={SORTS.map((sort) => ({
          label: words.sort[sort],
          checked: sort === query.sort,
          onSelect: () => onChange({ ...query, sort }),
        }))}
      >
        <span className="vh">{words.sortLabel}: </span>
        {words.sort[query.sort]}
      </Menu>
    </div>
  );
}

function List({ query, onChange }: Props) {
  const rows = useJobRows(query);
  const filter = useMemo(() => apiFilter(query), [query]);
  const counts = useJobCounts(filter);
  const total = counts.data && !counts.data.capped ? counts.data.all : null;
  const order = useMemo(() => rows.jobs.map((job) => job.id), [rows.jobs]);
  const selection = useSelection(order, true);
  const [, navigate] = useLocation();
  const actions = useJobActions();
  const columns = useColumns(actions);
  useLiveRows(query);
  useListedKeys(LISTED_KEYS);
  const isFiltered = query.text !== '' || query.chips.length > 0;
  const onRowKey = (key: string, job: Job): boolean => {
    const action = { e: actions.edit, r: actions.run, p: actions.pauseOrResume }[key];
    action?.(job);
    return action !== undefined;
  };
  if (rows.isPending) return <Bars rows={12} />;
  if (rows.error && rows.jobs.length === 0) return <ErrorPanel error={rows.error} onRetry={rows.retry} />;
  if (rows.jobs.length === 0) {
    return isFiltered ? <NoMatch query={query} onChange={onChange} /> : <NoJobs />;
  }
  return (
    <>
      <Table
        main
        className="jobs"
        label={words.table(rows.jobs.length, total)}
        rows={rows.jobs}
        columns={columns}
        total={total ?? (rows.hasMore ? -1 : rows.jobs.length)}
        rowKey={(job) => job.id}
        rowName={(job) => job.name}
        rowClass={(job) => (job.state === 'active' ? undefined : 'off')}
        selection={selection}
        onOpen={(job) => navigate(`/jobs/${job.id}`)}
        onRowKey={onRowKey}
        onNearEnd={rows.loadMore}
        loadingMore={rows.isLoadingMore}
      />
      {rows.error && <ErrorPanel error={rows.error} onRetry={rows.retry} />}
      <div className="foot">
        <span>{common.loadedOf(rows.jobs.length, total)}</span>
        {counts.data?.capped && <span>{words.capped}</span>}
        {rows.isTooLarge && <span>{words.sortedByName}</span>}
      </div>
      <Bulk selection={selection} jobs={rows.jobs} filter={filter} total={total ?? rows.jobs.length} />
      {actions.dialog}
    </>
  );
}

// The table listens for these.
const LISTED_KEYS = [
  { keys: 'J', label: words.keyMove },
  { keys: 'X', label: words.keySelect },
  { keys: 'mod+A', label: words.keySelectAll },
  { keys: 'E', label: words.keyEdit },
  { keys: 'R', label: words.keyRun },
  { keys: 'P', label: words.keyPause },
];
