/** The buckets of the histogram. */

export interface Bucket {
  /** Its first instant, in milliseconds. */
  at: number;
  succeeded: number;
  failed: number;
  skipped: number;
}

interface Counted {
  at: string;
  succeeded: number;
  failed: number;
  skipped: number;
}

/** All buckets of a window: statistics leave out those without runs. */
export function allBuckets(stats: {
  from: string;
  to: string;
  step_seconds: number;
  buckets: readonly Counted[];
}): Bucket[] {
  const step = stats.step_seconds * 1000;
  const end = Date.parse(stats.to);
  const found = new Map(stats.buckets.map((bucket) => [Date.parse(bucket.at), bucket]));
  const all: Bucket[] = [];
  for (let at = Date.parse(stats.from); at < end; at += step) {
    const { succeeded = 0, failed = 0, skipped = 0 } = found.get(at) ?? {};
    all.push({ at, succeeded, failed, skipped });
  }
  return all;
}

/** Only the results that a filter of statuses leaves; null if the statistics know none of them. */
export function ofStatuses(
  buckets: readonly Bucket[],
  statuses: readonly string[] | undefined,
): Bucket[] | null {
  if (!statuses) return [...buckets];
  const known = (['succeeded', 'failed', 'skipped'] as const).filter((it) => statuses.includes(it));
  if (known.length === 0) return null;
  const only = (bucket: Bucket, key: (typeof known)[number]) => (known.includes(key) ? bucket[key] : 0);
  return buckets.map((bucket) => ({
    at: bucket.at,
    succeeded: only(bucket, 'succeeded'),
    failed: only(bucket, 'failed'),
    skipped: only(bucket, 'skipped'),
  }));
}
