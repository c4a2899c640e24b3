import type { ReactNode } from 'react';
import { Link } from 'wouter';
import type { Job } from '../../api/queries/jobs';
import { Fact, Facts } from '../../parts/Facts';
import { Id } from '../../parts/Id';
import { Method } from '../../parts/Method';
import { Section } from '../../parts/Section';
import { Tag } from '../../parts/Tag';
import { When } from '../../parts/When';
import { Wire } from '../../parts/Wire';
import { headerLines, jsonLines, textLines } from '../../parts/wireLines';
import { words } from '../../words/en/job';
import { expressionOf } from '../jobs/columns';
import { Versions } from './Versions';
import { useJobZone } from './zone';

/** What the job is, field by field, and its versions. */
export function Definition({ job }: { job: Job }) {
  return (
    <div className="split">
      <div className="definition">
        <ScheduleFacts job={job} />
        <RequestFacts job={job} />
        <PolicyFacts job={job} />
        <OtherFacts job={job} />
      </div>
      <div className="rail">
        <Versions job={job} />
      </div>
    </div>
  );
}

function ScheduleFacts({ job }: { job: Job }) {
  const { schedule } = job;
  return (
    <Section title={words.schedule}>
      <Facts>
        <Fact name={words.inWords}>
          <span lang="en">{job.schedule_in_words}</span>
        </Fact>
        <Fact name={words.expression}>
          <code>{expressionOf(job)}</code>
        </Fact>
        {schedule && 'timezone' in schedule && <Fact name={words.zone}>{schedule.timezone as string}</Fact>}
      </Facts>
    </Section>
  );
}

function RequestFacts({ job }: { job: Job }) {
  const { request } = job;
  const headers = Object.entries(request.headers).map(([name, value]) => ({ name, value }));
  const body = request.body === undefined || request.body === null ? null : textOf(request.body);
  return (
    <Section title={words.request}>
      <Facts>
        <Fact name={words.url}>
          <span className="anywhere">
            <Method>{request.method}</Method> {request.url}
          </span>
        </Fact>
        <Fact name={words.success}>{request.success_statuses.join(', ')}</Fact>
        <Fact name={words.timeout}>{words.timeoutIs(request.timeout_seconds)}</Fact>
      </Facts>
      {headers.length > 0 && (
        <div className="under">
          <Wire label={words.headers} lines={headerLines(headers)} />
        </div>
      )}
      {body !== null && (
        <div className="under">
          <Wire label={words.body} lines={jsonLines(body) ?? textLines(body)} copy={body} />
        </div>
      )}
    </Section>
  );
}

function textOf(body: unknown): string {
  return typeof body === 'string' ? body : JSON.stringify(body);
}

function PolicyFacts({ job }: { job: Job }) {
  const { retry_policy: retry } = job;
  const value = (name: string): ReactNode => words.values[name] ?? name;
  return (
    <Section title={words.policies}>
      <Facts>
        <Fact name={words.retries}>{String(retry.max_attempts)}</Fact>
        <Fact name={words.retryOn}>{retry.retry_on_statuses.join(', ')}</Fact>
        <Fact name={words.concurrency}>
          {job.concurrency_limit === null ? words.noLimit : String(job.concurrency_limit)}
        </Fact>
        {job.concurrency_limit !== null && <Fact name={words.overlap}>{value(job.overlap_policy)}</Fact>}
        <Fact name={words.misfire}>
          {job.misfire_policy === 'skip' ? words.values.skip_missed : value(job.misfire_policy)}
          {job.misfire_policy === 'catch_up' && `, ${words.catchUp(job.catch_up_limit)}`}
        </Fact>
        <Fact name={words.delivery}>{value(job.delivery)}</Fact>
      </Facts>
    </Section>
  );
}

function OtherFacts({ job }: { job: Job }) {
  const zone = useJobZone(job);
  return (
    <Section title={words.job}>
      <Facts>
        <Fact name={words.id}>
          <Id id={job.id} />
        </Fact>
        {job.key && (
          <Fact name={words.key}>
            <code>{job.key}</code>
          </Fact>
        )}
        {job.stack && (
          <Fact name={words.stack}>
            <Link href={`/jobs?stack=${encodeURIComponent(job.stack)}`}>{job.stack}</Link>
          </Fact>
        )}
        <Fact name={words.tags}>
          {job.tags.length > 0 &&
            job.tags.map((tag) => (
              <Link key={tag} href={`/jobs?tag=${encodeURIComponent(tag)}`}>
                <Tag>{tag}</Tag>
              </Link>
            ))}
        </Fact>
        <Fact name={words.created}>
          <When at={job.created_at} zone={zone} />
        </Fact>
      </Facts>
    </Section>
  );
}
