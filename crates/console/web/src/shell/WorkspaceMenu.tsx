import { useState } from 'react';
import { useLocation } from 'wouter';
import { logOut, type Membership, useSession } from '../api/session';
import { Icon, Mark } from '../parts/Icon';
import { Menu, type MenuItem } from '../parts/Menu';
import { common } from '../words/en';
import { words } from '../words/en/shell';
import { NewWorkspaceDialog } from './NewWorkspace';
import { pageHref } from './pages';

/** The name of the workspace; its menu switches to another, and leads to the account. */
export function WorkspaceMenu({ workspace }: { workspace: Membership | null }) {
  const [isCreating, setCreating] = useState(false);
  const items = useItems(workspace, () => setCreating(true));
  const name = workspace?.name ?? common.product;
  const product = workspace ? common.product : '';
  return (
    <>
      <Menu className="ws" align="start" items={items}>
        <Mark />
        <span className="name">
          <span className="cut">{name}</span>
          <small>{product}</small>
        </span>
        <span className="vh">{words.switchWorkspace}</span>
        <Icon name="updown" />
      </Menu>
      {isCreating && <NewWorkspaceDialog onClose={() => setCreating(false)} />}
    </>
  );
}

function useItems(workspace: Membership | null, onCreate: () => void): MenuItem[] {
  const session = useSession();
  const [, navigate] = useLocation();
  const workspaces = session.state === 'open' ? session.workspaces : [];
  return [
    ...workspaces.map(
      (it): MenuItem => ({
        label: it.name,
        note: it.role,
        checked: it.id === workspace?.id,
        onSelect: () => navigate(pageHref(it.id, '')),
      }),
    ),
    'line',
    { label: words.newWorkspace, icon: 'plus', onSelect: onCreate },
    { label: words.account, icon: 'people', href: '~/me' },
    { label: words.logOut, icon: 'logout', onSelect: () => void logOut() },
  ];
}
