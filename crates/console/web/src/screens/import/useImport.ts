import { useEffect, useMemo, useState } from 'react';
import { Problem } from '../../api/problem';
import { useConversion } from '../../api/queries/convert';
import { takePaste } from '../../shell/paste';
import { useDebounced } from '../editor/useDebounced';
import { hasNoSchedule, planOf, type SecretChoice, type SecretChoices, type When } from './plan';
import { ownJobs, type Read, readOf } from './read';
import { viewerZone, wallTomorrow } from './zone';

const READ_DELAY_MS = 200;

/** What was pasted, what it became, and what is chosen about it. */
export function useImport() {
  const [text, setText] = useState('');
  const [baseUrl, setBaseUrl] = useState('');
  const [secrets, setSecrets] = useState<SecretChoices>({});
  const [when, setWhen] = useState<When>(() => firstWhen(viewerZone()));
  const [isPaused, setPaused] = useState<boolean | null>(null);
  usePasted(setText);
  const { read, isReading, error, isVercel } = useRead(text, when.zone, baseUrl);
  // What runs somewhere else already would run twice; a command does not.
  const starts = read !== null && ['curl', 'url', 'http'].includes(read.format);
  const paused = isPaused ?? !starts;
  const state = paused ? ('paused' as const) : ('active' as const);
  const plan = useMemo(() => read && planOf(read, { secrets, when, state }), [read, secrets, when, state]);
  return {
    text,
    setText,
    baseUrl,
    setBaseUrl,
    isVercel,
    read,
    isReading,
    error,
    secrets,
    choose: (name: string, choice: SecretChoice) => setSecrets((before) => ({ ...before, [name]: choice })),
    when,
    setWhen: (change: Partial<When>) => setWhen((before) => ({ ...before, ...change })),
    unscheduled: read?.entries.filter((entry) => hasNoSchedule(entry.job)).length ?? 0,
    isPaused: paused,
    setPaused,
    plan,
  };
}

export type ImportState = ReturnType<typeof useImport>;

function firstWhen(zone: string): When {
  return { preset: 'daily', time: '07:00', runAt: wallTomorrow(zone), cron: '0 7 * * *', zone };
}

/** Text that was pasted outside of a field, before this page or while it is open. */
function usePasted(onPaste: (text: string) => void): void {
  useEffect(() => {
    const take = () => {
      const pasted = takePaste();
      if (pasted) onPaste(pasted);
    };
    take();
    addEventListener('trigrun.paste', take);
    return () => removeEventListener('trigrun.paste', take);
  }, [onPaste]);
}

function useRead(text: string, timezone: string, baseUrl: string) {
  const settled = useDebounced(text, READ_DELAY_MS);
  const own = useMemo(() => ownJobs(settled), [settled]);
  const isEmpty = settled.trim() === '';
  const conversion = useConversion(
    isEmpty || own ? null : { text: settled, timezone, baseUrl: baseUrl || undefined },
  );
  const converted = useMemo(() => (conversion.data ? readOf(conversion.data) : null), [conversion.data]);
  const isRefused = conversion.error !== null;
  const read: Read | null = isEmpty || text.trim() === '' ? null : (own ?? (isRefused ? null : converted));
  return {
    read,
    isVercel: !isEmpty && (read?.format === 'vercel' || /"crons"\s*:/.test(settled)),
    isReading: settled !== text || (conversion.isFetching && !own && !isEmpty),
    error: isEmpty || own ? null : conversion.error,
  };
}

/** Whether the server says that it knows no such format. */
export function isUnknownFormat(error: unknown): boolean {
  return error instanceof Problem && error.errors.some((it) => it.code === 'format_unknown');
}
