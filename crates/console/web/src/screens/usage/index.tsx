import type { ReactNode } from 'react';
import { Link } from 'wouter';
import { type Used, useUsage } from '../../api/queries/usage';
import { count } from '../../format';
import { Loaded } from '../../parts/Loaded';
import { Bars } from '../../parts/Loading';
import { Page } from '../../shell/Page';
import { useCan } from '../../shell/workspace';
import { words } from '../../words/en/usage';
import { Head } from '../configure/Head';
import { NeedsScope } from '../configure/NeedsScope';
import './usage.css';

const NEAR = 0.8;
const COUNTED_MAX = 100_000;

/** What the workspace uses, and what its plan allows. */
export default function Usage() {
  return (
    <Page title={words.title}>
      <NeedsScope scope="jobs:read" title={words.forbidden}>
        <Head title={words.title}>{words.about}</Head>
        <Quotas />
      </NeedsScope>
    </Page>
  );
}

function Quotas() {
  const can = useCan();
  return (
    <Loaded query={useUsage()} bars={<Bars rows={3} />}>
      {(usage) => (
        <div className="quotas">
          <Quota
            name={words.jobs}
            used={usage.jobs}
            text={words.jobsText}
            link={<Link href="/jobs">{words.allJobs}</Link>}
          />
          <Quota
            name={words.tokens}
            used={usage.tokens}
            text={words.tokensText}
            link={can('workspace:admin') && <Link href="/tokens">{words.allTokens}</Link>}
          />
          <Quota
            name={words.perMinute}
            used={usage.executions_per_minute}
            text={words.perMinuteText}
            link={<Link href="/runs">{words.allRuns}</Link>}
          />
          <Quota
            name={words.members}
            used={usage.members}
            text={words.membersText}
            link={can('workspace:admin') && <Link href="/members">{words.allMembers}</Link>}
          />
          <Quota
            name={words.channels}
            used={usage.channels}
            text={words.channelsText}
            link={can('notifications:write') && <Link href="/notifications">{words.allChannels}</Link>}
          />
        </div>
      )}
    </Loaded>
  );
}

interface QuotaProps {
  name: string;
  used: Used;
  text: string;
  link: ReactNode;
}

function Quota({ name, used: { used, limit }, text, link }: QuotaProps) {
  const share = limit ? Math.min(1, used / limit) : limit === 0 ? 1 : null;
  const tone = share === null || share < NEAR ? '' : share < 1 ? ' near' : ' full';
  return (
    <section className={`quota${tone}`} aria-label={name}>
      <h2>{name}</h2>
      <p className="quota-value">
        <strong>{used >= COUNTED_MAX ? words.orMore(COUNTED_MAX) : count(used)}</strong>{' '}
        <span className="dim">{limit === null ? words.noLimit : words.of(limit)}</span>
      </p>
      {share !== null && (
        <meter min={0} max={1} value={share} aria-label={words.share(name, share)}>
          {words.share(name, share)}
        </meter>
      )}
      {tone !== '' && <p className={share === 1 ? 'bad-text' : 'warn-text'}>{words.near(share === 1)}</p>}
      <p className="small dim">{text}</p>
      {link && <p className="small">{link}</p>}
    </section>
  );
}
