import { useEffect, useRef, useState } from 'react';
import type { Run } from '../../api/queries/executions';
import { type Attempt, hasEnded } from '../../api/queries/run';
import { Course, type CourseAttempt } from '../../charts/Course';
import { Legend } from '../../charts/Legend';
import { wholeDuration } from '../../format';
import { Blank } from '../../parts/Blank';
import { Section } from '../../parts/Section';
import { Status } from '../../parts/Status';
import { now, relative, useNow } from '../../time';
import { words } from '../../words/en/run';
import { phaseTimes, retryAfterMs } from './attempts';

interface Props {
  run: Run;
  chosen: number | undefined;
  onChoose: (number: number) => void;
}

const FRAME_MS = 250;

/** All attempts on one axis; while the run goes on, the last bar grows. */
export function AttemptsSection({ run, chosen, onChoose }: Props) {
  const due = Date.parse(run.scheduled_for);
  const isOpen = !hasEnded(run);
  const at = useTicking(isOpen);
  const attempts = run.attempts ?? [];
  const next = useNextAttempt(run);
  const all: CourseAttempt[] = [
    ...attempts.map((attempt) => ({
      number: attempt.number,
      startMs: Date.parse(attempt.started_at) - due,
      durationMs: attempt.timing.total_ms,
      phases: phaseTimes(attempt),
      result: <AttemptResult attempt={attempt} />,
    })),
    ...(next === null
      ? []
      : [
          {
            number: attempts.length + 1,
            startMs: next - due,
            durationMs: null,
            phases: null,
            result: <NextResult run={run} />,
          },
        ]),
  ];
  return (
    <Section
      title={words.attempts}
      end={<Legend className="only-wide" marks={['connection', 'wait', 'body', 'delay']} />}
    >
      {all.length > 0 ? (
        <Course
          attempts={all}
          untilMs={isOpen ? Math.max(0, at - due) : 0}
          {...(chosen !== undefined && { chosen })}
          onChoose={(number) => attempts.some((it) => it.number === number) && onChoose(number)}
        />
      ) : (
        <Blank glyph={isOpen ? 'queue' : 'skip'} title={isOpen ? words.noAttempts : words.noAttemptsEnded}>
          {isOpen && <p>{words.noAttemptsWhy}</p>}
        </Blank>
      )}
    </Section>
  );
}

function AttemptResult({ attempt }: { attempt: Attempt }) {
  const { status, status_code: code } = attempt;
  const wait = retryAfterMs(attempt);
  const [first, ...rest] = (code === null ? words.error(attempt.error_class) : words.response(code)).split(
    ' ',
  );
  const more =
    code !== null && wait
      ? words.retryAfterShort(wholeDuration(wait))
      : rest.length
        ? ` ${rest.join(' ')}`
        : '';
  return (
    <Status glyph={status === 'success' ? 'ok' : attempt.error_class === 'cancelled' ? 'cancel' : 'bad'}>
      {first}
      {more && <span className={code === null ? undefined : 'only-wide'}>{more}</span>}
    </Status>
  );
}

function NextResult({ run }: { run: Run }) {
  const at = useNow();
  if (run.status !== 'retrying') return <Status glyph="run">{words.attemptRunning}</Status>;
  const later = run.next_attempt_at && Date.parse(run.next_attempt_at) > at;
  return (
    <Status glyph="retry">
      {later ? relative(run.next_attempt_at as string, at) : words.attemptRunning}
    </Status>
  );
}

/**
 * When the attempt that runs, or is next, begins: the API lists attempts that have ended. A retry begins when the API
 * said that it would.
 */
function useNextAttempt(run: Run): number | null {
  const planned = useRef<number | null>(null);
  if (run.next_attempt_at) planned.current = Date.parse(run.next_attempt_at);
  if (hasEnded(run) || run.status === 'queued') return null;
  const last = run.attempts?.at(-1);
  if (!last) return run.started_at ? Date.parse(run.started_at) : null;
  const end = Date.parse(last.started_at) + last.timing.total_ms;
  return Math.max(end, planned.current ?? end);
}

/** Now, four times a second while it is on. */
function useTicking(isOn: boolean): number {
  const [at, setAt] = useState(now);
  useEffect(() => {
    if (!isOn) return;
    const timer = setInterval(() => setAt(now()), FRAME_MS);
    return () => clearInterval(timer);
  }, [isOn]);
  return at;
}
