import { useState } from 'react';
import { Link, useLocation } from 'wouter';
import { Problem } from '../../api/problem';
import { type Secret, useSecret } from '../../api/queries/secrets';
import { Blank } from '../../parts/Blank';
import { Button, LinkButton } from '../../parts/Button';
import { CopyButton } from '../../parts/CopyButton';
import { ErrorPanel } from '../../parts/ErrorPanel';
import { Fact, Facts } from '../../parts/Facts';
import { Bars } from '../../parts/Loading';
import { Section } from '../../parts/Section';
import { Table } from '../../parts/Table';
import { When } from '../../parts/When';
import { words } from '../../words/en/secrets';
import { Head } from '../configure/Head';
import { Copied } from '../configure/Once';
import { DeleteSecret } from './DeleteSecret';
import { NewSecret, ReplaceSecret } from './SecretForms';
import './secrets.css';

/** One secret: how jobs refer to it, which do, and what can be done with it. */
export function SecretPage({ name }: { name: string }) {
  const query = useSecret(name);
  if (query.data) return <Details secret={query.data} />;
  if (query.error instanceof Problem && query.error.status === 404) return <Missing name={name} />;
  if (query.error) return <ErrorPanel error={query.error} onRetry={() => void query.refetch()} />;
  return <Bars rows={4} />;
}

/** A job may refer to a secret before there is one. */
function Missing({ name }: { name: string }) {
  const [isNew, setNew] = useState(false);
  return (
    <>
      <Blank
        icon="key"
        title={words.missing(name)}
        action={
          <>
            <Button kind="solid" onClick={() => setNew(true)}>
              {words.createNamed(name)}
            </Button>
            <LinkButton href={`/jobs?secret=${encodeURIComponent(name)}`}>{words.jobsWith}</LinkButton>
          </>
        }
      >
        {words.missingWhy}
      </Blank>
      {isNew && <NewSecret name={name} onClose={() => setNew(false)} />}
    </>
  );
}

function Details({ secret }: { secret: Secret }) {
  const [asked, setAsked] = useState<'replace' | 'delete' | null>(null);
  const [, navigate] = useLocation();
  const { name } = secret;
  return (
    <>
      <Head
        title={name}
        end={
          <>
            <Button icon="replay" onClick={() => setAsked('replace')}>
              {words.replace}
            </Button>
            <Button kind="danger" icon="trash" onClick={() => setAsked('delete')}>
              {words.delete}
            </Button>
          </>
        }
      >
        {words.hidden}
      </Head>
      <div className="split">
        <Section
          title={words.usedBy}
          end={<span className="small dim">{words.usedCount(secret.used_by)}</span>}
        >
          <Jobs secret={secret} />
        </Section>
        <div className="rail">
          <Section title={words.howToUse}>
            <p className="dim small how">{words.howToUseText}</p>
            <Copied text={words.reference(name)} name={words.referenceName} />
          </Section>
          <Section title={words.about1}>
            <Facts>
              <Fact name={words.version}>{words.versionOf(secret.version)}</Fact>
              <Fact name={words.changed}>
                <When at={secret.updated_at} />
              </Fact>
              <Fact name={words.createdAt}>
                <When at={secret.created_at} />
              </Fact>
            </Facts>
            <div className="btns curl">
              <CopyButton small text={words.curl(name)}>
                {words.copyCurl}
              </CopyButton>
            </div>
          </Section>
        </div>
      </div>
      {asked === 'replace' && <ReplaceSecret name={name} onClose={() => setAsked(null)} />}
      {asked === 'delete' && (
        <DeleteSecret
          name={name}
          onDeleted={() => navigate('/secrets', { replace: true })}
          onClose={() => setAsked(null)}
        />
      )}
    </>
  );
}

function Jobs({ secret }: { secret: Secret }) {
  const [, navigate] = useLocation();
  return (
    <Table
      main
      compact
      label={words.usedBy}
      className="fixed"
      rows={secret.used_by ?? []}
      rowKey={(job) => job.job_id}
      rowName={(job) => job.name}
      columns={[
        {
          id: 'name',
          head: words.job,
          names: true,
          cell: (job) => (
            <Link href={`/jobs/${job.job_id}`} className="row-link">
              {job.name}
            </Link>
          ),
        },
      ]}
      onOpen={(job) => navigate(`/jobs/${job.job_id}`)}
      blank={<p className="faint none-yet">{words.unusedLong}</p>}
    />
  );
}
