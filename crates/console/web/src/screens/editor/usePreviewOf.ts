import { useMemo } from 'react';
import { type PreviewInput, usePreview } from '../../api/queries/preview';
import { type Draft, scheduleOf } from './draft';
import { useDebounced } from './useDebounced';

const PREVIEW_DELAY_MS = 200;
const REFRESH_MS = 60_000;

type Times = Pick<Draft, 'kind' | 'cron' | 'timezone' | 'everyMinutes' | 'runAt'>;

/** The preview of a form's schedule. `isOld`: it is of the schedule before. */
export function usePreviewOf(draft: Times) {
  const { kind, cron, timezone, everyMinutes, runAt } = draft;
  const times = useMemo(
    () => inputOf({ kind, cron, timezone, everyMinutes, runAt }),
    [kind, cron, timezone, everyMinutes, runAt],
  );
  const settled = useDebounced(times, PREVIEW_DELAY_MS);
  const query = usePreview(settled, { refetchInterval: REFRESH_MS });
  return { query, input: settled, isOld: query.isPlaceholderData || settled !== times };
}

/** What to ask; null where nothing is filled in yet. */
function inputOf(times: Times): PreviewInput | null {
  const { kind, timezone } = times;
  const isEmpty =
    (kind === 'recurring' && times.everyMinutes.trim() === '') ||
    (kind === 'scheduled' && times.runAt === '');
  if (isEmpty) return null;
  const schedule = scheduleOf(times as Draft);
  // The server writes the wall times of every kind in this zone.
  const zoned = schedule && { ...schedule, timezone };
  return { kind, ...(zoned && { schedule: zoned }) } as PreviewInput;
}
