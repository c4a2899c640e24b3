import { useSearchParams } from 'wouter';
import { useSpread } from '../../api/queries/forecast';

export const SPREAD_MINUTES = [15, 30, 60] as const;
const DEFAULT_MINUTES = 30;

/** The suggestion for an hour: spread its jobs over as many minutes as the address says. */
export function useSuggestion(hour: string, host: string | null) {
  const [params, setParams] = useSearchParams();
  const asked = Number(params.get('over'));
  const minutes = SPREAD_MINUTES.find((it) => it === asked) ?? DEFAULT_MINUTES;
  const spread = useSpread({ from: hour, windowMinutes: minutes, host: host ?? undefined });
  const gains =
    spread.data !== undefined &&
    spread.data.changes.length > 0 &&
    spread.data.after.peak < spread.data.before.peak;
  const setMinutes = (next: number) => {
    const changed = new URLSearchParams(params);
    if (next === DEFAULT_MINUTES) changed.delete('over');
    else changed.set('over', String(next));
    setParams(changed, { replace: true });
  };
  return { spread, gains, minutes, setMinutes };
}
