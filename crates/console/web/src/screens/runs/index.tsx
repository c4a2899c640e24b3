import { useMemo, useState } from 'react';
import { useLocation, useSearchParams } from 'wouter';
import { useRunsDryRun } from '../../api/queries/executions';
import { Boundary } from '../../parts/Boundary';
import { Button } from '../../parts/Button';
import { Loaded } from '../../parts/Loaded';
import { Bars } from '../../parts/Loading';
import { Table } from '../../parts/Table';
import { LinkTabs } from '../../parts/Tabs';
import { useSelection } from '../../parts/useSelection';
import { useKeys } from '../../shell/keys';
import { Page } from '../../shell/Page';
import { words } from '../../words/en/runs';
import { BulkRuns } from './BulkRuns';
import { FilterBar } from './FilterBar';
import {
  hrefOf,
  inView,
  isOpen,
  type Query,
  readQuery,
  VIEWS,
  viewOf,
  withChips,
  writeQuery,
} from './filter';
import { JobOf, NoRuns } from './NoRuns';
import { RunsHistogram } from './RunsHistogram';
import { useRowActions } from './useRowActions';
import { useRunsList } from './useRunsList';
import './runs.css';

/** All runs of the workspace: filtered by the address, followed live. */
export default function Runs() {
  const [params, setParams] = useSearchParams();
  const address = params.toString();
  const query = useMemo(() => readQuery(new URLSearchParams(address)), [address]);
  const [isHeld, setHeld] = useState(false);
  const change = (next: Query) => setParams(writeQuery(next), { replace: true });
  const pick = (from: number, to: number) =>
    setParams(
      writeQuery(withChips(query, { from: new Date(from).toISOString(), to: new Date(to).toISOString() })),
    );
  useKeys([{ keys: 'H', label: words.keyHold, icon: 'pause', run: () => setHeld(!isHeld) }]);
  return (
    <Page
      title={words.title}
      actions={
        <Button
          icon={isHeld ? 'play' : 'pause'}
          keys="H"
          aria-pressed={isHeld}
          title={isHeld ? words.resumeLabel : words.holdLabel}
          onClick={() => setHeld(!isHeld)}
        >
          {isHeld ? words.resume : words.hold}
        </Button>
      }
    >
      <h1 className="vh">{words.title}</h1>
      <LinkTabs
        label={words.views}
        tabs={VIEWS.map(({ id }) => ({ id, label: words.view[id] }))}
        chosen={viewOf(query)}
        href={(id) => hrefOf(inView(query, id))}
      />
      <FilterBar query={query} onChange={change} />
      <Boundary>
        <RunsHistogram query={query} address={address} onPick={pick} />
      </Boundary>
      <Boundary>
        <List key={address} {...{ query, address, isHeld }} onChange={change} />
      </Boundary>
    </Page>
  );
}

interface Props {
  query: Query;
  address: string;
  isHeld: boolean;
  onChange: (query: Query) => void;
}

function List({ query, address, isHeld, onChange }: Props) {
  const [hasSelection, setHasSelection] = useState(false);
  const { filter, list, tail, rows, onNearEnd } = useRunsList({ query, address, isHeld, hasSelection });
  const order = useMemo(() => rows.map((run) => run.id), [rows]);
  const selection = useSelection(order, true);
  const isPart = list.hasNextPage;
  // Where not all rows are here, a dry run counts what "all" means.
  const counted = useRunsDryRun('replay', selection.all && isPart ? { filter } : null).data;
  const selected = selection.all ? (counted?.matched ?? rows.length) : selection.keys.size;
  if (hasSelection !== selected > 0) setHasSelection(selected > 0);
  const [, navigate] = useLocation();
  const act = useRowActions(query, onChange);
  const show = () => {
    scrollTo({ top: 0 });
    tail.onShow();
  };
  useKeys(tail.waiting > 0 ? [{ keys: 'Shift+N', label: words.keyShow, icon: 'sort', run: show }] : []);
  return (
    <>
      <JobOf query={query} rows={rows} />
      <div className="runs-new" role="status">
        {tail.waiting > 0 && (
          <Button small onClick={show}>
            {words.waiting(tail.waiting, tail.isMany)}
          </Button>
        )}
      </div>
      <Loaded query={list} bars={<Bars rows={12} />}>
        {() => (
          <Table
            main
            label={words.table(rows.length)}
            className="runs-list"
            rows={rows}
            total={isPart ? -1 : rows.length}
            rowKey={(run) => run.id}
            rowName={(run) => words.rowName(run.job_name, run.scheduled_for)}
            columns={act.columns}
            selection={selection}
            onOpen={(run) => navigate(`/runs/${run.id}`)}
            onRowKey={act.onRowKey}
            onNearEnd={onNearEnd}
            loadingMore={list.isFetchingNextPage}
            blank={<NoRuns {...{ query, onChange }} onOlder={isPart ? onNearEnd : null} />}
          />
        )}
      </Loaded>
      {rows.length > 0 && (
        <div className="foot">
          <span>{isPart ? words.loaded(rows.length) : words.loadedAll(rows.length)}</span>
          <span className="only-wide">{words.keysFoot}</span>
        </div>
      )}
      <BulkRuns
        target={selection.all && isPart ? { filter } : { ids: selection.all ? order : [...selection.keys] }}
        selected={selected}
        all={selection.all && (!isPart || counted !== undefined)}
        onAll={selection.onAll}
        noneOpen={!selection.all && !rows.some((run) => selection.keys.has(run.id) && isOpen(run.status))}
        onNone={selection.onNone}
      />
    </>
  );
}
