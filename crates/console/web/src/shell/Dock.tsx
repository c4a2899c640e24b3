import { useEffect, useState } from 'react';
import { Link } from 'wouter';
import { logOut, type Membership } from '../api/session';
import { Button } from '../parts/Button';
import { Dialog } from '../parts/Dialog';
import { Icon } from '../parts/Icon';
import { useViewerZone, zoneName } from '../time';
import { words } from '../words/en/shell';
import { MAIN_PAGES, pageHref } from './pages';
import { isCurrent, Pages } from './Side';
import { switchZone } from './TopControls';
import { useCurrentPath } from './useCurrentPath';
import { WorkspaceMenu } from './WorkspaceMenu';

const DOCKED = 4;

/** The navigation of narrow windows: four pages, and the rest behind "More". */
export function Dock({ workspace }: { workspace: Membership }) {
  const path = useCurrentPath();
  const [isOpen, setOpen] = useState(false);
  const [openedAt, setOpenedAt] = useState(path);
  const docked = MAIN_PAGES.slice(0, DOCKED);
  const elsewhere = !docked.some((page) => isCurrent(path, workspace.id, page.path));
  useEffect(() => {
    if (path !== openedAt) setOpen(false);
  }, [path, openedAt]);
  return (
    <>
      <nav className="dock" aria-label={words.pages}>
        {docked.map((page) => (
          <Link
            key={page.path}
            href={pageHref(workspace.id, page.path)}
            aria-current={isCurrent(path, workspace.id, page.path) ? 'page' : undefined}
          >
            <Icon name={page.icon} size={18} />
            {page.path === '/load' ? words.loadShort : page.label}
          </Link>
        ))}
        <button
          type="button"
          aria-haspopup="dialog"
          aria-current={elsewhere ? 'page' : undefined}
          onClick={() => {
            setOpenedAt(path);
            setOpen(true);
          }}
        >
          <Icon name="menu" size={18} />
          {words.more}
        </button>
      </nav>
      {isOpen && <More workspace={workspace} onClose={() => setOpen(false)} />}
    </>
  );
}

function More({ workspace, onClose }: { workspace: Membership; onClose: () => void }) {
  const zone = useViewerZone();
  return (
    <Dialog title={words.pages} onClose={onClose}>
      <WorkspaceMenu workspace={workspace} />
      <Pages workspace={workspace} />
      <div className="btns">
        <Button icon="jobs" onClick={() => switchZone(zone)} label={words.zone(zone)}>
          {zoneName(zone)}
        </Button>
        <Button icon="logout" onClick={() => void logOut()}>
          {words.logOut}
        </Button>
      </div>
    </Dialog>
  );
}
