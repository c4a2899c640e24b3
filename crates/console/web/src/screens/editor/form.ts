/** What the sections of the form are given. */

import type { Draft } from './draft';
import type { Errors } from './fields';

export interface FormProps {
  draft: Draft;
  set: (change: Partial<Draft>) => void;
  errors: Errors['at'];
  /** The pointers at which the draft differs from what is saved. */
  changed: ReadonlySet<string>;
}
