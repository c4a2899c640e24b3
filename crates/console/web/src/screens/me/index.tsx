import { useParams } from 'wouter';
import { LinkTabs } from '../../parts/Tabs';
import { Page } from '../../shell/Page';
import { words } from '../../words/en/me';
import { Head } from '../configure/Head';
import { Account } from './Account';
import { Preferences } from './Preferences';
import { SessionList } from './SessionList';

type Tab = 'account' | 'preferences' | 'sessions';
const TABS: readonly Tab[] = ['account', 'preferences', 'sessions'];

/** The user: name and password, what this browser shows, the sessions. */
export default function Me() {
  const { tab } = useParams<{ tab?: string }>();
  const chosen = TABS.find((it) => it === tab) ?? 'account';
  return (
    <Page title={words.title}>
      <Head title={words.title} />
      <LinkTabs
        label={words.title}
        tabs={TABS.map((id) => ({ id, label: words.tabs[id] }))}
        chosen={chosen}
        href={(id) => (id === 'account' ? '~/me' : `~/me/${id}`)}
      />
      {chosen === 'account' && <Account />}
      {chosen === 'preferences' && <Preferences />}
      {chosen === 'sessions' && <SessionList />}
    </Page>
  );
}
