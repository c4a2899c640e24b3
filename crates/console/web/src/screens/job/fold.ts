/** Equal results in a row, folded into one line. */

export interface Folded<Run> {
  /** The first of the runs that are folded: it identifies the fold. */
  key: string;
  runs: readonly Run[];
}

const SHOWN_OF_A_GROUP = 3;
/** A fold that hides fewer than this saves nothing. */
const MIN_FOLDED = 2;

interface Result {
  id: string;
  status: string;
  status_code: number | null;
  error_class: string | null;
  attempt_count: number;
}

/** Runs as they are, or folds of runs, newest first: of equal results in a row, the first three are shown. */
export function fold<Run extends Result>(runs: readonly Run[]): (Run | Folded<Run>)[] {
  const out: (Run | Folded<Run>)[] = [];
  let at = 0;
  while (at < runs.length) {
    let end = at + 1;
    while (end < runs.length && isSame(runs[at] as Run, runs[end] as Run)) end += 1;
    const group = runs.slice(at, end);
    const hidden = group.slice(SHOWN_OF_A_GROUP);
    if (hidden.length >= MIN_FOLDED) {
      out.push(...group.slice(0, SHOWN_OF_A_GROUP), { key: (hidden[0] as Run).id, runs: hidden });
    } else {
      out.push(...group);
    }
    at = end;
  }
  return out;
}

export function isFolded<Run extends Result>(it: Run | Folded<Run>): it is Folded<Run> {
  return 'runs' in it;
}

function isSame(one: Result, other: Result): boolean {
  return (
    one.status === other.status &&
    one.status_code === other.status_code &&
    one.error_class === other.error_class &&
    // A success that needed a retry is worth its own line.
    (one.status !== 'succeeded' || one.attempt_count === other.attempt_count)
  );
}
