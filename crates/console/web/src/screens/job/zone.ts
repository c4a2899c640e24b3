import type { Job } from '../../api/queries/jobs';
import { useViewerZone } from '../../time';

/** The zone that the pages of a job show times in: its own, or the viewer's where it has none. */
export function useJobZone(job: Job): string {
  const viewer = useViewerZone();
  const { schedule } = job;
  return schedule && 'timezone' in schedule ? (schedule.timezone as string) : viewer;
}
