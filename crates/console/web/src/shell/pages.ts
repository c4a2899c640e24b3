/** The pages of a workspace: the side, the dock, the palette and the keys G … are made of them. */

import type { IconName } from '../parts/Icon';
import { words } from '../words/en/shell';

export interface PageLink {
  path: string;
  label: string;
  icon: IconName;
  /** The letter after G. */
  key?: string;
}

export const MAIN_PAGES: readonly PageLink[] = [
  { path: '', label: words.overview, icon: 'overview', key: 'O' },
  { path: '/jobs', label: words.jobs, icon: 'jobs', key: 'J' },
  { path: '/runs', label: words.runs, icon: 'runs', key: 'R' },
  { path: '/load', label: words.load, icon: 'radar', key: 'L' },
  { path: '/hosts', label: words.hosts, icon: 'hosts', key: 'H' },
];

export const CONFIGURE_PAGES: readonly PageLink[] = [
  { path: '/secrets', label: words.secrets, icon: 'key', key: 'S' },
  { path: '/notifications', label: words.notifications, icon: 'bell', key: 'N' },
  { path: '/tokens', label: words.tokens, icon: 'code', key: 'T' },
];

export const WORKSPACE_PAGES: readonly PageLink[] = [
  { path: '/members', label: words.members, icon: 'people', key: 'M' },
  { path: '/audit', label: words.audit, icon: 'audit', key: 'A' },
  { path: '/usage', label: words.usage, icon: 'gauge', key: 'U' },
  { path: '/settings', label: words.settings, icon: 'sliders' },
];

export const PAGES: readonly PageLink[] = [...MAIN_PAGES, ...CONFIGURE_PAGES, ...WORKSPACE_PAGES];

/** The address of a page of a workspace, from everywhere. */
export function pageHref(workspace: string, path: string): string {
  return `~/w/${workspace}${path}`;
}
