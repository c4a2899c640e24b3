import { useQueryClient } from '@tanstack/react-query';
import { lazy, Suspense, useEffect, useRef } from 'react';
import { useLocation, useParams } from 'wouter';
import { Problem } from '../../api/problem';
import { type Job, useJob } from '../../api/queries/jobs';
import { useStream } from '../../api/stream';
import { Blank } from '../../parts/Blank';
import { Boundary } from '../../parts/Boundary';
import { LinkButton } from '../../parts/Button';
import { ErrorPanel } from '../../parts/ErrorPanel';
import { Bars } from '../../parts/Loading';
import { LinkTabs } from '../../parts/Tabs';
import { useKeys } from '../../shell/keys';
import { Page } from '../../shell/Page';
import { words } from '../../words/en/job';
import { words as jobsWords } from '../../words/en/jobs';
import '../../styles/job.css';
import './job.css';
import { useRules } from '../../api/queries/jobDetails';
import { useJobActions } from '../jobs/actions';
import { Overview } from './Overview';
import { TitleBar } from './TitleBar';

// Only the first tab loads with the page.
const Runs = lazy(async () => ({ default: (await import('./Runs')).Runs }));
const Definition = lazy(async () => ({ default: (await import('./Definition')).Definition }));
const Alerts = lazy(async () => ({ default: (await import('./Alerts')).Alerts }));
const LedgerTab = lazy(async () => ({ default: (await import('./LedgerTab')).LedgerTab }));

const TABS = ['overview', 'runs', 'definition', 'alerts', 'ledger'] as const;
type TabId = (typeof TABS)[number];

/** A job: what it does, how it goes, and why. */
export default function JobScreen() {
  const { id = '', tab = 'overview' } = useParams<{ id: string; tab?: string }>();
  const query = useJob(id);
  const [, navigate] = useLocation();
  const ownId = query.data?.id;
  useEffect(() => {
    // An address with the job's key leads to the one with its id, by which everything is cached.
    if (ownId && ownId !== id)
      navigate(`/jobs/${ownId}${tab === 'overview' ? '' : `/${tab}`}`, { replace: true });
  }, [ownId, id, tab, navigate]);
  const crumbs = [{ label: jobsWords.title, href: '/jobs' }];
  const isTab = TABS.includes(tab as TabId);
  if (query.data && isTab) {
    return (
      <Page title={query.data.name} crumbs={crumbs}>
        <OfJob job={query.data} tab={tab as TabId} />
      </Page>
    );
  }
  return (
    <Page title={jobsWords.job} crumbs={crumbs}>
      {!isTab || (query.error instanceof Problem && query.error.status === 404) ? (
        <Blank
          icon="jobs"
          title={words.notFound}
          action={<LinkButton href="/jobs">{words.toJobs}</LinkButton>}
        >
          <p>{words.notFoundWhy}</p>
        </Blank>
      ) : query.error ? (
        <ErrorPanel error={query.error} onRetry={() => query.refetch()} />
      ) : (
        <Bars rows={10} />
      )}
    </Page>
  );
}

function OfJob({ job, tab }: { job: Job; tab: TabId }) {
  const [, navigate] = useLocation();
  const actions = useJobActions({ onDeleted: () => navigate('/jobs', { replace: true }) });
  const rules = useRules(job.id);
  useLiveJob(job.id);
  useKeys([
    { keys: 'R', label: words.keyRun, icon: 'bolt', run: () => actions.run(job) },
    { keys: 'P', label: words.keyPause, icon: 'pause', run: () => actions.pauseOrResume(job) },
    { keys: 'E', label: words.keyEdit, icon: 'edit', run: () => actions.edit(job) },
    {
      keys: 'W',
      label: words.keyWhy,
      icon: 'help',
      run: () => askWhy(tab, () => navigate(`/jobs/${job.id}`)),
    },
  ]);
  return (
    <>
      <TitleBar job={job} actions={actions} />
      <LinkTabs
        label={words.job}
        chosen={tab}
        href={(id) => (id === 'overview' ? `/jobs/${job.id}` : `/jobs/${job.id}/${id}`)}
        tabs={[
          { id: 'overview', label: words.overview },
          { id: 'runs', label: words.runs },
          { id: 'definition', label: words.definition, note: words.version(job.version) },
          { id: 'alerts', label: words.alerts, note: rules.data?.length || undefined },
          { id: 'ledger', label: words.ledger },
        ]}
      />
      <Boundary key={tab}>
        <Suspense fallback={<Bars rows={10} />}>
          {tab === 'overview' && <Overview job={job} />}
          {tab === 'runs' && <Runs job={job} />}
          {tab === 'definition' && <Definition job={job} />}
          {tab === 'alerts' && <Alerts job={job} />}
          {tab === 'ledger' && <LedgerTab job={job} />}
        </Suspense>
      </Boundary>
      {actions.dialog}
    </>
  );
}

const WHY_ID = 'why-at';

// The field is on the overview: from another tab, it is there after the next paint.
function askWhy(tab: TabId, open: () => void): void {
  if (tab !== 'overview') open();
  requestAnimationFrame(() => requestAnimationFrame(() => document.getElementById(WHY_ID)?.focus()));
}

/** Health and statistics follow some seconds after a run. */
const AFTER_RUN_MS = 2_000;

/** Reads what depends on the runs of a job again, soon after one has ended. */
function useLiveJob(id: string): void {
  const client = useQueryClient();
  const soon = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(soon.current), []);
  useStream((event) => {
    if (event.type === 'execution' && event.execution.job_id !== id) return;
    void client.invalidateQueries({ queryKey: ['jobs', 'runs', id, 'last'] });
    soon.current ??= setTimeout(() => {
      soon.current = undefined;
      void client.invalidateQueries({ queryKey: ['jobs', 'one', id] });
      void client.invalidateQueries({ queryKey: ['jobs', 'ledger', id] });
      void client.invalidateQueries({ queryKey: ['stats', `job-week-${id}`] });
      void client.invalidateQueries({ queryKey: ['notifications', 'job', id] });
    }, AFTER_RUN_MS);
  });
}
