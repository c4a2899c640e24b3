import { type ReactNode, useState } from 'react';
import { useLocation } from 'wouter';
import type { Membership } from '../api/session';
import { Toasts } from '../parts/Toasts';
import { useViewerZone } from '../time';
import { words } from '../words/en/shell';
import { Banners } from './Banners';
import { Challenges } from './Challenges';
import { Dock } from './Dock';
import { KeysHelp } from './KeysHelp';
import { type Shortcut, useKeyboard, useKeys } from './keys';
import { useAnnouncement } from './live';
import { Palette } from './Palette';
import { PAGES, pageHref } from './pages';
import { usePaste } from './paste';
import { Side } from './Side';
import { switchZone } from './TopControls';
import './shell.css';

/** The frame of all pages: the side or the dock, the palette, the keys, dialogs of the session, and messages. */
export function Shell({ workspace, children }: { workspace: Membership | null; children: ReactNode }) {
  const [isFinding, setFinding] = useState(false);
  const [isHelping, setHelping] = useState(false);
  useKeyboard();
  useKeys(
    useShellKeys(
      workspace,
      () => setFinding(true),
      () => setHelping(true),
    ),
  );
  usePaste(workspace);
  return (
    <>
      {/* biome-ignore lint/a11y/useValidAnchor: it leads to a place on this page, whatever <base> is */}
      <a className="skip-link" href="#main" onClick={skip}>
        {words.skip}
      </a>
      <Banners workspace={workspace?.id} />
      <div className="app">
        <Side workspace={workspace} onFind={() => setFinding(true)} />
        <div>{children}</div>
      </div>
      {workspace && <Dock workspace={workspace} />}
      {isFinding && workspace && (
        <Palette workspace={workspace} onClose={() => setFinding(false)} onHelp={() => setHelping(true)} />
      )}
      {isHelping && <KeysHelp onClose={() => setHelping(false)} />}
      <Challenges />
      <section aria-label={words.messages}>
        <Toasts />
        <Announcement />
      </section>
    </>
  );
}

// A link to #main would be relative to <base>, not to this page.
function skip(event: React.MouseEvent): void {
  event.preventDefault();
  document.getElementById('main')?.focus();
}

function Announcement() {
  return (
    <div className="vh" role="status" aria-live="polite">
      {useAnnouncement()}
    </div>
  );
}

function useShellKeys(workspace: Membership | null, find: () => void, help: () => void): Shortcut[] {
  const [, navigate] = useLocation();
  const zone = useViewerZone();
  const always: Shortcut[] = [
    { keys: '?', label: words.keyHelp, icon: 'help', run: help },
    { keys: '.', label: words.keyZone, icon: 'jobs', run: () => switchZone(zone) },
  ];
  if (!workspace) return always;
  return [
    { keys: 'mod+K', label: words.keyPalette, run: find, inFields: true },
    {
      keys: 'C',
      label: words.keyNew,
      icon: 'plus',
      run: () => navigate(pageHref(workspace.id, '/jobs/new')),
    },
    ...always,
    ...PAGES.filter((page) => page.key).map(
      (page): Shortcut => ({
        keys: `G ${page.key}`,
        label: words.keyGo(page.label),
        icon: page.icon,
        run: () => navigate(pageHref(workspace.id, page.path)),
      }),
    ),
  ];
}
