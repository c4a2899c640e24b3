import { useParams } from 'wouter';
import { Page } from '../../shell/Page';
import { words } from '../../words/en/secrets';
import { NeedsScope } from '../configure/NeedsScope';
import { SecretList } from './SecretList';
import { SecretPage } from './SecretPage';

/** Secrets: the list, or one of them. */
export default function Secrets() {
  const { name } = useParams<{ name?: string }>();
  const shown = name === undefined ? undefined : decodeURIComponent(name);
  return (
    <Page
      key={shown}
      title={shown ?? words.title}
      crumbs={shown === undefined ? [] : [{ label: words.title, href: '/secrets' }]}
    >
      <NeedsScope scope="secrets:write" title={words.forbidden}>
        {shown === undefined ? <SecretList /> : <SecretPage name={shown} />}
      </NeedsScope>
    </Page>
  );
}
