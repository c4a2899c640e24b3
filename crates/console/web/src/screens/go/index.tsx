import { useQuery } from '@tanstack/react-query';
import { Redirect, useParams } from 'wouter';
import { useSession } from '../../api/session';
import { Blank } from '../../parts/Blank';
import { LinkButton } from '../../parts/Button';
import { Loaded } from '../../parts/Loaded';
import { Bars } from '../../parts/Loading';
import { Page } from '../../shell/Page';
import { words } from '../../words/en/go';
import { addressOf, kindOf } from './resolve';

/** Leads from a typed id to its page, in the workspace that has it. */
export default function Go() {
  const id = (useParams<{ id: string }>().id ?? '').trim();
  const session = useSession();
  const workspaces = session.state === 'open' ? session.workspaces.map((it) => it.id) : [];
  const query = useQuery({
    queryKey: ['go', id, workspaces],
    queryFn: ({ signal }) => addressOf(id, workspaces, signal),
    enabled: kindOf(id) !== undefined,
    staleTime: 0,
  });
  if (query.data) return <Redirect to={query.data} replace />;
  return (
    <Page title={words.title}>
      <h1 className="vh">{words.title}</h1>
      {kindOf(id) === undefined ? (
        <NotFound title={words.unknown} text={words.unknownWhy(id)} />
      ) : (
        <Loaded query={query} bars={<Bars rows={3} />}>
          {() => <NotFound title={words.gone} text={words.goneWhy(id)} />}
        </Loaded>
      )}
    </Page>
  );
}

function NotFound({ title, text }: { title: string; text: string }) {
  return (
    <Blank icon="search" title={title} action={<LinkButton href="~/">{words.home}</LinkButton>}>
      <p>{text}</p>
    </Blank>
  );
}
