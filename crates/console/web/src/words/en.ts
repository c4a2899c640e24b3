/**
 * The words that all screens share. A screen's own words are in en/<screen>.ts, so that they load with it:
 * `import { words } from '../../words/en/jobs'`. A sentence with a value is a function of it.
 */

import { count, counted } from '../format';

/** What the API calls an execution, the console calls a run. */
export const common = {
  product: 'TrigRun',
  /** Page titles: "Jobs · Billing · TrigRun". */
  title: (...parts: (string | undefined)[]) => [...parts.filter(Boolean), 'TrigRun'].join(' · '),
  runs: (n: number) => counted(n, 'run'),
  jobs: (n: number) => counted(n, 'job'),
  loadedOf: (loaded: number, all: number | null) =>
    all === null ? `${count(loaded)} loaded` : `${count(loaded)} of ${count(all)} loaded`,
  save: 'Save',
  saving: 'Saving',
  cancel: 'Cancel',
  close: 'Close',
  delete: 'Delete',
  undo: 'Undo',
  retry: 'Try again',
  copy: 'Copy',
  copied: 'Copied',
  more: 'More',
  unknown: '–',
  never: 'never',
  requestId: (id: string) => `Request ${id}`,
};

/** The results of a run, as the API names them. A status that is not here is shown as it is. */
export const statuses: Record<string, string> = {
  pending: 'pending',
  queued: 'queued',
  running: 'running',
  retrying: 'retrying',
  succeeded: 'succeeded',
  failed: 'failed',
  cancelled: 'cancelled',
  skipped: 'skipped',
};

/** The states of a job. */
export const states: Record<string, string> = {
  draft: 'draft',
  active: 'active',
  paused: 'paused',
  completed: 'completed',
};
