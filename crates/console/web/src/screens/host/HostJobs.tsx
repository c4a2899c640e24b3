import { useCallback } from 'react';
import { Link, useLocation } from 'wouter';
import { type Job, useJobs } from '../../api/queries/jobs';
import { Loaded } from '../../parts/Loaded';
import { Bars } from '../../parts/Loading';
import { Method } from '../../parts/Method';
import { Section } from '../../parts/Section';
import { glyphOf, Status } from '../../parts/Status';
import { type Column, Table } from '../../parts/Table';
import { PlainWhen } from '../../parts/When';
import { relative, useNow } from '../../time';
import { states, statuses } from '../../words/en';
import { words } from '../../words/en/host';
import { useNarrow } from '../runs/useNarrow';

/** The jobs that call a host. */
export function HostJobs({ host }: { host: string }) {
  const [, navigate] = useLocation();
  const list = useJobs({ host }, 'name');
  const isNarrow = useNarrow();
  const { fetchNextPage, hasNextPage, isFetching } = list;
  const onNearEnd = useCallback(() => {
    if (hasNextPage && !isFetching) void fetchNextPage();
  }, [fetchNextPage, hasNextPage, isFetching]);
  return (
    <Section
      title={words.jobs}
      end={
        <Link className="small dim" href={`/jobs?host=${encodeURIComponent(host)}`}>
          {words.allJobs}
        </Link>
      }
    >
      <Loaded query={list} bars={<Bars rows={4} />}>
        {({ pages }) => (
          <Table
            main
            label={words.jobsTable(host)}
            className="host-jobs"
            rows={pages.flatMap((page) => page.data)}
            total={hasNextPage ? -1 : pages.reduce((sum, page) => sum + page.data.length, 0)}
            rowKey={(job) => job.id}
            rowName={(job) => job.name}
            columns={COLUMNS.filter((column) => !isNarrow || column.id !== 'schedule')}
            onOpen={(job) => navigate(`/jobs/${job.id}`)}
            onNearEnd={onNearEnd}
            loadingMore={list.isFetchingNextPage}
          />
        )}
      </Loaded>
    </Section>
  );
}

const COLUMNS: readonly Column<Job>[] = [
  {
    id: 'job',
    head: words.job,
    names: true,
    cell: (job) => (
      <div className="two">
        <Link className="row-link" href={`/jobs/${job.id}`} tabIndex={-1}>
          {job.name}
        </Link>
        <small>
          <Method>{job.request.method}</Method> {pathOf(job.request.url)}
        </small>
      </div>
    ),
  },
  {
    id: 'schedule',
    head: words.schedule,
    className: 'w-sched',
    cell: (job) => (
      <span className="cut" lang="en">
        {job.schedule_in_words}
      </span>
    ),
  },
  { id: 'last', head: words.lastResult, className: 'w-last', cell: (job) => <Last job={job} /> },
  { id: 'next', head: words.nextRun, className: 'w-next', cell: (job) => <Next job={job} /> },
];

function pathOf(url: string): string {
  const parsed = URL.parse(url);
  return parsed ? parsed.pathname + parsed.search : url;
}

function Last({ job }: { job: Job }) {
  const last = job.last_execution;
  if (!last) return <Status glyph="queue">{words.neverRan}</Status>;
  return (
    <div className="two">
      <Link href={`/runs/${last.id}`} tabIndex={-1} className="host-last">
        <Status glyph={glyphOf(last.status)}>{statuses[last.status] ?? last.status}</Status>
      </Link>
      <small>
        <PlainWhen at={last.scheduled_for} />
      </small>
    </div>
  );
}

function Next({ job }: { job: Job }) {
  if (job.state !== 'active')
    return <Status glyph={glyphOf(job.state)}>{states[job.state] ?? job.state}</Status>;
  if (!job.next_run_at) return <span className="faint">{words.noNext}</span>;
  return (
    <div className="two">
      <PlainWhen at={job.next_run_at} />
      <small>
        <Countdown at={job.next_run_at} />
      </small>
    </div>
  );
}

function Countdown({ at }: { at: string }) {
  return relative(at, useNow());
}
