import { useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useMemo, useState } from 'react';
import { useLocation, useSearchParams } from 'wouter';
import { type Run, useJobRuns } from '../../api/queries/jobDetails';
import type { Job } from '../../api/queries/jobs';
import { useStream } from '../../api/stream';
import { duration } from '../../format';
import { Blank } from '../../parts/Blank';
import { Button } from '../../parts/Button';
import { ErrorPanel } from '../../parts/ErrorPanel';
import { Bars } from '../../parts/Loading';
import { type Chip, QueryBar } from '../../parts/QueryBar';
import { glyphOf, Status } from '../../parts/Status';
import { type Column, Table } from '../../parts/Table';
import { words } from '../../words/en/job';
import { result } from '../../words/en/results';
import { DueLink } from './Latest';
import { jobRunsFilter, RUN_KEYS, readRunChips, writeRunChips } from './runsFilter';

/** The runs of the job, newest first; new ones wait until they are asked for. */
export function Runs({ job }: { job: Job }) {
  const [params, setParams] = useSearchParams();
  const text = params.toString();
  const chips = useMemo(() => readRunChips(new URLSearchParams(text)), [text]);
  const change = (next: readonly Chip[]) => setParams(writeRunChips(next), { replace: true });
  return (
    <>
      <div className="bar">
        <QueryBar
          label={words.filterRuns}
          placeholder={words.filterRunsHint}
          text=""
          chips={chips}
          keys={RUN_KEYS}
          onChange={(query) => change(query.chips)}
        />
      </div>
      <List job={job} chips={chips} onClear={() => change([])} />
    </>
  );
}

function List({ job, chips, onClear }: { job: Job; chips: readonly Chip[]; onClear: () => void }) {
  const filter = useMemo(() => jobRunsFilter(chips), [chips]);
  const query = useJobRuns(job.id, filter);
  const columns = useColumns(job);
  const [, navigate] = useLocation();
  const rows = useMemo(() => query.data?.pages.flatMap((page) => page.data) ?? [], [query.data]);
  const { fetchNextPage, hasNextPage, isFetchingNextPage, isError } = query;
  const loadMore = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage && !isError) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, isError, fetchNextPage]);
  if (query.isPending) return <Bars rows={12} compact />;
  if (query.error && rows.length === 0)
    return <ErrorPanel error={query.error} onRetry={() => query.refetch()} />;
  return (
    <>
      <NewRuns job={job} chips={chips} known={rows.length} />
      <Table
        main
        compact
        className="runs-of-job"
        label={words.runsTable(rows.length)}
        rows={rows}
        columns={columns}
        total={hasNextPage ? -1 : rows.length}
        rowKey={(run) => run.id}
        rowName={(run) => run.scheduled_for}
        onOpen={(run) => navigate(`/runs/${run.id}`)}
        onNearEnd={loadMore}
        loadingMore={isFetchingNextPage}
        blank={<Nothing isFiltered={chips.length > 0} onClear={onClear} />}
      />
      {query.error && <ErrorPanel error={query.error} onRetry={() => fetchNextPage()} />}
      {rows.length > 0 && (
        <div className="foot">
          <span>{words.loaded(rows.length, hasNextPage)}</span>
        </div>
      )}
    </>
  );
}

function Nothing({ isFiltered, onClear }: { isFiltered: boolean; onClear: () => void }) {
  if (!isFiltered) {
    return (
      <Blank icon="runs" title={words.noRuns}>
        <p>{words.noRunsWhy}</p>
      </Blank>
    );
  }
  return (
    <Blank icon="filter" title={words.noRunMatches} action={<Button onClick={onClear}>{words.clear}</Button>}>
      <p>{words.noRunMatchesWhy}</p>
    </Blank>
  );
}

// Rows must not move while they are read: what has ended since waits behind a button.
function NewRuns({ job, chips, known }: { job: Job; chips: readonly Chip[]; known: number }) {
  const client = useQueryClient();
  const [fresh, setFresh] = useState<ReadonlySet<string>>(new Set());
  const filter = jobRunsFilter(chips);
  const key = JSON.stringify(filter);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another list has none of them
  useEffect(() => setFresh(new Set()), [key, known === 0]);
  useStream((event) => {
    if (event.type !== 'execution' || event.execution.job_id !== job.id) return;
    setFresh((before) => new Set(before).add(event.execution.id));
  });
  if (fresh.size === 0) return null;
  return (
    <div className="period-line">
      <Button
        small
        icon="up"
        onClick={() => {
          setFresh(new Set());
          void client.resetQueries({ queryKey: ['jobs', 'runs', job.id, 'list', filter] });
        }}
      >
        {words.newRuns(fresh.size)}
      </Button>
    </div>
  );
}

function useColumns(job: Job): Column<Run>[] {
  return useMemo(
    () => [
      { id: 'due', head: words.due, names: true, cell: (run) => <DueLink job={job} run={run} /> },
      {
        id: 'result',
        head: words.result,
        className: 'w-result',
        cell: (run) => (
          <Status glyph={glyphOf(run.status)}>
            {result({ ...run, attempt_count: run.status === 'failed' ? 1 : run.attempt_count })}
          </Status>
        ),
      },
      {
        id: 'source',
        head: words.source,
        className: 'w-few',
        cell: (run) => <span className="dim">{words.sources[run.source] ?? run.source}</span>,
      },
      number('attempts', words.attempts, (run) => String(run.attempt_count || '–')),
      number('lateness', words.latenessHead, (run) => duration(run.lateness_ms)),
      number('duration', words.duration, (run) => duration(run.duration_ms)),
      number('version', words.versionHead, (run) => words.version(run.job_version)),
    ],
    [job],
  );
}

function number(id: string, head: string, text: (run: Run) => string): Column<Run> {
  return {
    id,
    head,
    numeric: true,
    className: 'w-few',
    cell: (run) => <span className="dim">{text(run)}</span>,
  };
}
