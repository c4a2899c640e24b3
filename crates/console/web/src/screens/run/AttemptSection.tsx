import type { Run } from '../../api/queries/executions';
import { type Attempt, useBaseline } from '../../api/queries/run';
import { Phases } from '../../charts/Phases';
import { Choice } from '../../parts/Choice';
import { Section } from '../../parts/Section';
import { words } from '../../words/en/run';
import { isReused, MIN_BASELINE_RUNS, medians, phaseTimes, slowest } from './attempts';
import { Response, type ResponseView } from './Response';

const BASELINE_RUNS = 50;

interface Props {
  run: Run;
  attempts: readonly Attempt[];
  attempt: Attempt;
  view: ResponseView;
  onChoose: (number: number) => void;
  onView: (view: ResponseView) => void;
}

/** One attempt: its phases beside what is usual, and the response. */
export function AttemptSection({ run, attempts, attempt, view, onChoose, onView }: Props) {
  return (
    <Section
      title={words.attempt(attempt.number)}
      end={
        attempts.length > 1 ? (
          <Choice
            label={words.chooseAttempt}
            value={String(attempt.number)}
            options={attempts.map((it) => ({ value: String(it.number), label: String(it.number) }))}
            onChange={(value) => onChoose(Number(value))}
          />
        ) : undefined
      }
    >
      <div className="pair">
        <AttemptPhases run={run} attempt={attempt} />
        <Response attempt={attempt} view={view} onView={onView} />
      </div>
    </Section>
  );
}

function AttemptPhases({ run, attempt }: { run: Run; attempt: Attempt }) {
  const { data } = useBaseline(run, BASELINE_RUNS);
  const times = phaseTimes(attempt);
  const usual = medians(data);
  const slow = usual && slowest(times, usual);
  const gotResponse = attempt.timing.first_byte_ms !== null;
  return (
    <div>
      <Phases
        attempt={attempt.number}
        times={times}
        totalMs={attempt.timing.total_ms}
        reused={isReused(attempt)}
        baseline={usual}
      />
      <p className="small dim under">
        {attempt.error && attempt.error !== run.error && <span lang="en">{attempt.error} </span>}
        {isReused(attempt) && `${words.reused} `}
        {data && !usual && words.fewRuns(data.runs, MIN_BASELINE_RUNS)}
        {data && usual && gotResponse && (
          <>
            {slow
              ? words.slower(words.phaseNames[slow.phase] ?? '', slow.factor.toFixed(1), data.runs)
              : words.usual(data.runs)}{' '}
            <span className="faint">{words.mark}</span>
          </>
        )}
      </p>
    </div>
  );
}
