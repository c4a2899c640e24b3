/** The minutes of the hour of a fire, and a quieter one. */

import type { ForecastBucket } from '../../api/queries/forecast';

export interface HourLoad {
  /** The runs of other jobs in each of the 60 minutes. */
  minutes: number[];
  /** The host with most runs at the marked minute. */
  host: { name: string; fires: number } | null;
}

/** The load of the hour without the job's own run, which is at minute `own` of what is saved. */
export function hourLoad(
  buckets: readonly ForecastBucket[],
  marked: number,
  own: number | null,
  ownHost: string,
): HourLoad {
  const minutes = Array.from({ length: 60 }, (_, minute) => {
    const fires = buckets[minute]?.fires ?? 0;
    return Math.max(0, minute === own ? fires - 1 : fires);
  });
  const hosts = (buckets[marked]?.hosts ?? [])
    .map(({ host, fires }) => ({ name: host, fires: marked === own && host === ownHost ? fires - 1 : fires }))
    .sort((a, b) => b.fires - a.fires);
  const host = hosts[0];
  return { minutes, host: host && host.fires > 0 ? host : null };
}

const CROWDED_FROM = 5;

/** The minute nearest to a crowded one that has at most half of its runs, and as few as any; null if there is none. */
export function quieterMinute(minutes: readonly number[], marked: number): number | null {
  const crowd = minutes[marked] ?? 0;
  if (crowd < CROWDED_FROM) return null;
  const least = Math.min(...minutes);
  const enough = Math.max(least, Math.floor(crowd / 50));
  const quiet = minutes
    .map((fires, minute) => ({ fires, minute }))
    .filter(({ fires, minute }) => fires <= enough && fires * 2 <= crowd && minute !== marked)
    .sort((a, b) => Math.abs(a.minute - marked) - Math.abs(b.minute - marked));
  return quiet[0]?.minute ?? null;
}

/** A cron expression at another minute, if its minute is one number; null otherwise. */
export function atMinute(cron: string, minute: number): string | null {
  const fields = cron.trim().split(/\s+/);
  return fields.length === 5 && /^\d+$/.test(fields[0] ?? '') ? [minute, ...fields.slice(1)].join(' ') : null;
}

/** The minute in the hour from `from` at which the saved job runs itself; null if it does not. */
export function ownMinute(nextRunAt: string | null, from: string): number | null {
  if (nextRunAt === null) return null;
  const minute = Math.floor((Date.parse(nextRunAt) - Date.parse(from)) / 60_000);
  return minute >= 0 && minute < 60 ? minute : null;
}
