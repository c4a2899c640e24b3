import type { Cause } from '../../api/queries/failures';
import type { Upcoming } from '../../api/queries/upcoming';

/** The next fire of each job that is known to fail, and does not fail already. */
export function willFail(upcoming: readonly Upcoming[], causes: readonly Cause[]): Upcoming[] {
  const seen = new Set(causes.flatMap((cause) => cause.jobs.map((job) => job.id)));
  return upcoming.filter((it) => {
    if (!it.will_fail || seen.has(it.job_id)) return false;
    seen.add(it.job_id);
    return true;
  });
}
