import { BROWSER_ZONE, now, viewerZone as viewer } from '../../time';
import { wallTime } from '../editor/draft';

/** The zone that schedules begin with: where the viewer is, also while times are shown in UTC. */
export function viewerZone(): string {
  const zone = viewer();
  return zone === 'UTC' ? BROWSER_ZONE : zone;
}

const DAY_MS = 86_400_000;

/** Tomorrow at nine, as a wall shows it. */
export function wallTomorrow(zone: string): string {
  return `${wallTime(new Date(now() + DAY_MS).toISOString(), zone).slice(0, 10)}T09:00`;
}
