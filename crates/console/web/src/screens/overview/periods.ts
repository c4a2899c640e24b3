/** The periods of Overview: how far back the figures go, and what the timeline shows. */
export interface Period {
  id: '1h' | '24h' | '7d' | '30d';
  /** The period of the figures, in seconds. */
  past: number;
  /** The length of a bucket of the timeline. */
  step: number;
  /** How many buckets of the timeline are past, and how many are to come. */
  before: number;
  after: number;
  /** The coming part in words. */
  ahead: string;
}

const HOUR = 3600;
const DAY = 24 * HOUR;

const PERIODS: readonly Period[] = [
  { id: '1h', past: HOUR, step: 60, before: 45, after: 15, ahead: '15 min' },
  { id: '24h', past: DAY, step: 900, before: 72, after: 24, ahead: '6 h' },
  { id: '7d', past: 7 * DAY, step: 7200, before: 60, after: 24, ahead: '2 d' },
  { id: '30d', past: 30 * DAY, step: 28_800, before: 69, after: 21, ahead: '7 d' },
];

export const PERIOD_IDS = PERIODS.map((it) => it.id);

/** The period of an address, by default 24 hours. In a narrow window, buckets are twice as long. */
export function periodOf(id: string | null, narrow: boolean): Period {
  const found = PERIODS.find((it) => it.id === id) ?? (PERIODS[1] as Period);
  if (!narrow) return found;
  return {
    ...found,
    step: found.step * 2,
    before: Math.ceil(found.before / 2),
    after: Math.ceil(found.after / 2),
  };
}
