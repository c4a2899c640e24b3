import type { UseQueryResult } from '@tanstack/react-query';
import { Link } from 'wouter';
import { type Cause, useFailingJobs } from '../../api/queries/failures';
import type { Upcoming } from '../../api/queries/upcoming';
import { LinkButton } from '../../parts/Button';
import { Glyph } from '../../parts/Glyph';
import { Loaded } from '../../parts/Loaded';
import { Bars } from '../../parts/Loading';
import { Section } from '../../parts/Section';
import { useViewerZone, when } from '../../time';
import { words } from '../../words/en/overview';
import { CauseItem } from '../failures/CauseItem';
import { willFail } from './willFail';

const REFRESH_MS = 15_000;
const MAX_CAUSES = 4;
const MAX_JOBS = 4;
const MAX_TO_COME = 3;

interface Props {
  failures: UseQueryResult<{ data: Cause[] }>;
  upcoming: { data: Upcoming[] } | undefined;
}

/** What needs a person: causes of failures, and runs that are known to fail. */
export function Attention({ failures, upcoming }: Props) {
  const jobs = useFailingJobs(REFRESH_MS);
  const toCome = willFail(upcoming?.data ?? [], failures.data?.data ?? []).slice(0, MAX_TO_COME);
  return (
    <Section
      title={words.attention}
      end={
        <Link className="small dim" href="/failures">
          {words.allFailures}
        </Link>
      }
    >
      <Loaded query={failures} bars={<Bars rows={4} />}>
        {({ data }) => (
          <>
            {data.slice(0, MAX_CAUSES).map((cause) => (
              <CauseItem key={cause.id} cause={cause} jobs={jobs.data} most={MAX_JOBS} />
            ))}
            {toCome.map((it) => (
              <ToCome key={it.job_id} upcoming={it} />
            ))}
            {data.length === 0 && toCome.length === 0 && <p className="dim quiet">{words.nothing}</p>}
          </>
        )}
      </Loaded>
    </Section>
  );
}

function ToCome({ upcoming }: { upcoming: Upcoming }) {
  const zone = useViewerZone();
  const failure = upcoming.will_fail;
  if (!failure) return null;
  const isSecret = failure.code.startsWith('secret');
  return (
    <article className="cause">
      <header>
        <Glyph name="warn" />
        <h3>{words.willFailAt(upcoming.job_name, when(upcoming.at, zone))}</h3>
        <div className="btns">
          <LinkButton small href={isSecret ? '/secrets' : `/jobs/${upcoming.job_id}/edit`}>
            {isSecret ? words.secrets : words.editJob}
          </LinkButton>
        </div>
      </header>
      <p lang="en">{failure.detail}</p>
    </article>
  );
}
