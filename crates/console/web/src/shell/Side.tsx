import { Link } from 'wouter';
import { lastResponse } from '../api/client';
import { type Membership, useUser } from '../api/session';
import { useStreamState } from '../api/stream';
import { count } from '../format';
import { Icon } from '../parts/Icon';
import { Kbd } from '../parts/Kbd';
import { iso, timeOfDay, useNow, useViewerZone } from '../time';
import { words } from '../words/en/shell';
import { useSideCounts } from './counts';
import { CONFIGURE_PAGES, MAIN_PAGES, type PageLink, pageHref, WORKSPACE_PAGES } from './pages';
import { useCurrentPath } from './useCurrentPath';
import { WorkspaceMenu } from './WorkspaceMenu';

interface Props {
  workspace: Membership | null;
  onFind: () => void;
}

/** The side: the workspace, the search, the pages, and who is looking at them. */
export function Side({ workspace, onFind }: Props) {
  return (
    <aside className="side" aria-label={words.side}>
      <WorkspaceMenu workspace={workspace} />
      {workspace && (
        <button className="find" type="button" onClick={onFind}>
          <Icon name="search" />
          <span>{words.find}</span>
          <Kbd keys="mod+K" />
        </button>
      )}
      {workspace && <Pages workspace={workspace} />}
      <div className="side-end">
        {workspace && <Live />}
        <div>
          <Icon name="people" />
          <Link className="cut" href="~/me">
            {useUser().email}
          </Link>
        </div>
      </div>
    </aside>
  );
}

/** The navigation between pages; also the sheet under the dock's "More". */
export function Pages({ workspace }: { workspace: Membership }) {
  const { jobs, isCapped, failingHosts } = useSideCounts();
  return (
    <nav className="nav" aria-label={words.pages}>
      {MAIN_PAGES.map((page) => (
        <NavLink key={page.path} workspace={workspace} page={page}>
          {page.path === '/jobs' && jobs !== null && <b>{count(jobs) + (isCapped ? '+' : '')}</b>}
          {page.path === '/hosts' && failingHosts > 0 && (
            <b className="bad">
              <span className="vh">{words.failing}</span>
              {count(failingHosts)}
            </b>
          )}
        </NavLink>
      ))}
      <h2>{words.configure}</h2>
      {CONFIGURE_PAGES.map((page) => (
        <NavLink key={page.path} workspace={workspace} page={page} />
      ))}
      <h2>{words.workspace}</h2>
      {WORKSPACE_PAGES.map((page) => (
        <NavLink key={page.path} workspace={workspace} page={page} />
      ))}
    </nav>
  );
}

/** Whether the address is a page, or below it. */
export function isCurrent(path: string, workspace: string, page: string): boolean {
  const root = `/w/${workspace}`;
  const here = path.startsWith(root) ? path.slice(root.length).replace(/\/$/, '') : null;
  if (here === null) return false;
  if (page === '') return here === '' || here === '/failures';
  return here === page || here.startsWith(`${page}/`);
}

interface NavProps {
  workspace: Membership;
  page: PageLink;
  children?: React.ReactNode;
}

function NavLink({ workspace, page, children }: NavProps) {
  const current = isCurrent(useCurrentPath(), workspace.id, page.path);
  return (
    <Link href={pageHref(workspace.id, page.path)} aria-current={current ? 'page' : undefined}>
      <Icon name={page.icon} size={16} />
      {page.label}
      {children}
    </Link>
  );
}

const TRYING_AFTER_MS = 10_000;

function Live() {
  const state = useStreamState();
  const zone = useViewerZone();
  const instant = useNow();
  const isTrying = state === 'retrying' && Date.now() - lastResponse() > TRYING_AFTER_MS;
  if (isTrying) {
    return (
      <div className="trying">
        <i className="pulse" />
        {words.retrying(timeOfDay(lastResponse(), zone))}
      </div>
    );
  }
  return (
    <div className={state === 'connecting' ? 'trying' : undefined}>
      <i className="pulse" />
      {state === 'connecting' ? words.connecting : words.live}
      <time dateTime={iso(instant)}>{timeOfDay(instant, zone)}</time>
    </div>
  );
}
