import { useSearchParams } from 'wouter';
import { type FailureState, useFailingJobs, useFailures } from '../../api/queries/failures';
import { Blank } from '../../parts/Blank';
import { LinkButton } from '../../parts/Button';
import { Choice } from '../../parts/Choice';
import { Loaded } from '../../parts/Loaded';
import { Bars } from '../../parts/Loading';
import { Section } from '../../parts/Section';
import { Page } from '../../shell/Page';
import { words } from '../../words/en/failures';
import { words as overview } from '../../words/en/overview';
import { CauseItem } from './CauseItem';

const REFRESH_MS = 10_000;
const MAX_JOBS_SHOWN = 20;

/** All causes of failures: of jobs that fail now, or of the last day. */
export default function Failures() {
  const [params, setParams] = useSearchParams();
  const state: FailureState = params.get('state') === 'all' ? 'all' : 'now';
  const failures = useFailures(state, REFRESH_MS);
  const jobs = useFailingJobs(REFRESH_MS);
  return (
    <Page title={words.title} crumbs={[{ label: overview.title, href: '/' }]}>
      <div className="titlebar">
        <div>
          <h1>{words.title}</h1>
          {failures.data && state === 'now' && failures.data.data.length > 0 && (
            <p>{words.lead(jobsOf(failures.data.data), failures.data.data.length)}</p>
          )}
        </div>
        <Choice
          label={words.shown}
          value={state}
          options={[
            { value: 'now', label: words.now },
            { value: 'all', label: words.all },
          ]}
          onChange={(next) => setParams(next === 'all' ? { state: 'all' } : {}, { replace: true })}
        />
      </div>
      <Section title={state === 'now' ? words.now : words.all}>
        <Loaded query={failures} bars={<Bars rows={6} />}>
          {({ data, is_complete }) => (
            <>
              {data.map((cause) => (
                <CauseItem key={cause.id} cause={cause} jobs={jobs.data} most={MAX_JOBS_SHOWN} />
              ))}
              {!is_complete && <p className="dim small">{words.incomplete}</p>}
              {data.length === 0 && (
                <Blank
                  glyph="ok"
                  title={state === 'now' ? words.none : words.noneAll}
                  action={<LinkButton href="/runs">{overview.timeline}</LinkButton>}
                >
                  {words.noneText}
                </Blank>
              )}
            </>
          )}
        </Loaded>
      </Section>
    </Page>
  );
}

/** How many jobs fail; a job has one cause. */
function jobsOf(causes: readonly { jobs_count: number }[]): number {
  return causes.reduce((sum, cause) => sum + cause.jobs_count, 0);
}
