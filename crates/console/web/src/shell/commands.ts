/** What the palette offers. */

import type { Membership } from '../api/session';
import type { IconName } from '../parts/Icon';
import { setPrefs } from '../prefs';
import type { components } from '../schema';
import { words } from '../words/en/shell';
import { shortcutsOnPage } from './keys';
import { PAGES, pageHref } from './pages';

export interface Command {
  /** Unique in the list. */
  id: string;
  label: string;
  note?: string;
  icon?: IconName;
  /** A status or state, whose glyph stands instead of an icon. */
  glyph?: string;
  keys?: string;
  href?: string;
  run?: () => void;
}

export interface Group {
  title: string;
  commands: Command[];
}

const ID_PAGES: [prefix: string, path: (id: string) => string][] = [
  ['job_', (id) => `/jobs/${id}`],
  ['exe_', (id) => `/runs/${id}`],
  ['ntf_', () => '/notifications/log'],
  ['chn_', () => '/notifications'],
  ['tok_', () => '/tokens'],
  ['usr_', () => '/members'],
];

/** The page of a typed id, relative to its workspace; null if the id is of no kind that has a page. */
export function pageOfId(id: string): string | null {
  return ID_PAGES.find(([prefix]) => id.startsWith(prefix))?.[1](id) ?? null;
}

export function idGroup(workspace: Membership, query: string): Group {
  const path = /^[a-z]{2,4}_[0-9a-z]{10,}$/i.test(query) ? pageOfId(query) : null;
  const commands = path
    ? [
        {
          id: 'id',
          label: words.openId(query),
          note: words.byId,
          icon: 'right' as const,
          href: pageHref(workspace.id, path),
        },
      ]
    : [];
  return { title: words.found, commands };
}

export function jobsGroup(workspace: Membership, jobs: readonly components['schemas']['Job'][]): Group {
  return {
    title: words.jobs,
    commands: jobs.map((job) => ({
      id: job.id,
      label: job.name,
      note: job.host ?? '',
      glyph: job.state === 'active' ? (job.health?.state ?? 'active') : job.state,
      href: pageHref(workspace.id, `/jobs/${job.id}`),
    })),
  };
}

const HOSTS_SHOWN = 4;

/** Hosts that match, with what can be done about them. Without the right to pause jobs, `onPause` is null. */
export function hostGroup(
  workspace: Membership,
  query: string,
  hosts: readonly string[],
  onPause: ((host: string) => void) | null,
): Group {
  // "pause api.example.com" is about the host, too.
  const word = query.toLowerCase().split(/\s+/).pop() ?? '';
  const found = word ? hosts.filter((host) => host.includes(word)).slice(0, HOSTS_SHOWN) : [];
  return {
    title: words.hosts,
    commands: found.flatMap((host): Command[] => [
      {
        id: `host-${host}`,
        label: host,
        icon: 'hosts',
        href: pageHref(workspace.id, `/hosts/${encodeURIComponent(host)}`),
      },
      {
        id: `jobs-${host}`,
        label: words.jobsOfHost(host),
        icon: 'jobs',
        href: pageHref(workspace.id, `/jobs?host=${encodeURIComponent(host)}`),
      },
      ...(onPause
        ? [
            {
              id: `pause-${host}`,
              label: words.pauseHost(host),
              icon: 'pause' as const,
              run: () => onPause(host),
            },
          ]
        : []),
    ]),
  };
}

/** The commands (first the page's own) or the pages, as far as they match. */
export function commandGroups(workspace: Membership, query: string, areCommands: boolean): Group[] {
  const group = areCommands
    ? { title: words.do, commands: [...pageCommands(), ...generalCommands(workspace)] }
    : { title: words.goTo, commands: pages(workspace) };
  return [{ ...group, commands: group.commands.filter((command) => matchesQuery(command, query)) }];
}

function matchesQuery(command: Command, query: string): boolean {
  const text = `${command.label} ${command.note ?? ''}`.toLowerCase();
  return query
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

function pageCommands(): Command[] {
  return shortcutsOnPage()
    .filter(
      (it) => !it.keys.startsWith('G ') && !it.keys.startsWith('mod+') && it.keys !== 'C' && it.keys !== '.',
    )
    .map((it) => ({
      id: `key-${it.keys.replaceAll(/\W/g, (sign) => `-${sign.charCodeAt(0)}`)}`,
      label: it.label ?? '',
      icon: it.icon,
      keys: it.keys,
      run: () => it.run(null),
    }));
}

function generalCommands(workspace: Membership): Command[] {
  return [
    { id: 'new', label: words.newJob, icon: 'plus', keys: 'C', href: pageHref(workspace.id, '/jobs/new') },
    {
      id: 'import',
      label: words.pasteImport,
      icon: 'copy',
      keys: 'mod+V',
      href: pageHref(workspace.id, '/import'),
    },
    { id: 'light', label: words.themeLight, icon: 'sun', run: () => setPrefs({ theme: 'light' }) },
    { id: 'dark', label: words.themeDark, icon: 'moon', run: () => setPrefs({ theme: 'dark' }) },
    { id: 'system', label: words.themeSystem, icon: 'screen', run: () => setPrefs({ theme: 'system' }) },
    { id: 'utc', label: words.timesUtc, icon: 'jobs', run: () => setPrefs({ zone: 'UTC' }) },
    { id: 'local', label: words.timesLocal, icon: 'jobs', run: () => setPrefs({ zone: 'local' }) },
  ];
}

function pages(workspace: Membership): Command[] {
  return [
    ...PAGES.map((page) => ({
      id: `page-${page.path.slice(1) || 'overview'}`,
      label: page.label,
      icon: page.icon,
      keys: page.key ? `G ${page.key}` : undefined,
      href: pageHref(workspace.id, page.path),
    })),
    { id: 'page-me', label: words.account, icon: 'people' as const, href: '~/me' },
  ];
}
