import { useState } from 'react';
import { useParams } from 'wouter';
import { Button } from '../../parts/Button';
import { LinkTabs } from '../../parts/Tabs';
import { Page } from '../../shell/Page';
import { words } from '../../words/en/notifications';
import { Head } from '../configure/Head';
import { NeedsScope } from '../configure/NeedsScope';
import { ChannelForm } from './ChannelForm';
import { ChannelList } from './ChannelList';
import { Log } from './Log';
import { RuleForm } from './RuleForm';
import { RuleList } from './RuleList';
import './notifications.css';

type Tab = 'channels' | 'rules' | 'log';
const TABS: readonly Tab[] = ['channels', 'rules', 'log'];

/** Channels, and the log of what was sent. */
export default function Notifications() {
  return (
    <Page title={words.title}>
      <NeedsScope scope="notifications:write" title={words.forbidden}>
        <Views />
      </NeedsScope>
    </Page>
  );
}

function Views() {
  const { tab } = useParams<{ tab?: string }>();
  const [isNew, setNew] = useState(false);
  const chosen = TABS.find((it) => it === tab) ?? 'channels';
  return (
    <>
      <Head
        title={words.title}
        end={
          <Button kind="solid" icon="plus" onClick={() => setNew(true)}>
            {chosen === 'rules' ? words.addRule : words.add}
          </Button>
        }
      >
        {words.about}
      </Head>
      <LinkTabs
        label={words.title}
        tabs={TABS.map((id) => ({ id, label: words.tabs[id] }))}
        chosen={chosen}
        href={(id) => (id === 'channels' ? '/notifications' : `/notifications/${id}`)}
      />
      {chosen === 'channels' && <ChannelList onNew={() => setNew(true)} />}
      {chosen === 'rules' && <RuleList onNew={() => setNew(true)} />}
      {chosen === 'log' && <Log />}
      {isNew && chosen === 'rules' && <RuleForm onClose={() => setNew(false)} />}
      {isNew && chosen !== 'rules' && <ChannelForm onClose={() => setNew(false)} />}
    </>
  );
}
