import { Choice } from '../../parts/Choice';
import { FieldError } from '../../parts/Field';
import { words } from '../../words/en/editor';
import type { FormProps } from './form';
import { Row } from './Row';

const ATTEMPTS = ['1', '2', '3', '5', '10'];
/** As the API documents it: 250 ms · 2^k after attempt k. */
const FIRST_WAIT_MS = 500;
const MAX_WAITS_SHOWN = 2;

/** What happens if a run fails, still runs, or is missed. */
export function FailureSection({ draft, set, errors, changed }: FormProps) {
  return (
    <section>
      <h2>{words.onFailure}</h2>
      <div>
        <div className="trio">
          <Attempts draft={draft} set={set} errors={errors} changed={changed} />
          <Row label={words.retryOn} changed={changed.has('/retry_policy/retry_on_statuses')}>
            <SmallInput
              label={words.retryOn}
              className="w-statuses"
              value={draft.retryOn}
              error={errors['/retry_policy/retry_on_statuses']}
              onChange={(retryOn) => set({ retryOn })}
            />
            <span className="hint">{words.retryOnHint}</span>
          </Row>
          <Overlap draft={draft} set={set} errors={errors} changed={changed} />
          <Misfire draft={draft} set={set} errors={errors} changed={changed} />
          <Row label={words.delivery} changed={changed.has('/delivery')}>
            <Choice
              label={words.delivery}
              value={draft.delivery}
              options={optionsOf(words.deliveries)}
              onChange={(delivery) => set({ delivery })}
            />
            <span className="hint">{hintOf(words.deliveryHints, draft.delivery)}</span>
          </Row>
        </div>
      </div>
    </section>
  );
}

function Attempts({ draft, set, errors, changed }: FormProps) {
  const values = ATTEMPTS.includes(draft.maxAttempts)
    ? ATTEMPTS
    : [...ATTEMPTS, draft.maxAttempts].sort((a, b) => Number(a) - Number(b));
  const retries = Math.max(0, Number(draft.maxAttempts) - 1);
  const waits = Array.from({ length: Math.min(retries, MAX_WAITS_SHOWN) }, (_, k) =>
    words.wait(FIRST_WAIT_MS * 2 ** k),
  );
  if (retries > MAX_WAITS_SHOWN) waits.push('…');
  return (
    <Row label={words.attempts} changed={changed.has('/retry_policy/max_attempts')}>
      <Choice
        label={words.attempts}
        value={draft.maxAttempts}
        options={values.map((value) => ({ value, label: value }))}
        onChange={(maxAttempts) => set({ maxAttempts })}
      />
      <span className="hint">{words.attemptsHint(waits)}</span>
      {errors['/retry_policy/max_attempts'] && (
        <FieldError>{errors['/retry_policy/max_attempts']}</FieldError>
      )}
    </Row>
  );
}

// Without a limit nothing overlaps that would be queued or skipped: that is the third choice.
function Overlap({ draft, set, errors, changed }: FormProps) {
  const isAllowed = draft.concurrencyLimit === '' && !errors['/concurrency_limit'];
  const choose = (overlap: string) =>
    overlap === 'allow'
      ? set({ concurrencyLimit: '' })
      : set({ overlap, concurrencyLimit: isAllowed ? '1' : draft.concurrencyLimit });
  const value = isAllowed ? 'allow' : draft.overlap;
  return (
    <Row label={words.overlap} changed={changed.has('/overlap_policy') || changed.has('/concurrency_limit')}>
      <Choice label={words.overlap} value={value} options={optionsOf(words.overlaps)} onChange={choose} />
      {isAllowed ? (
        <span className="hint">{words.overlapHints.allow}</span>
      ) : (
        <>
          <span className="hint">{words.concurrency.toLowerCase()}</span>
          <SmallInput
            label={words.concurrency}
            value={draft.concurrencyLimit.trim()}
            error={errors['/concurrency_limit']}
            // Empty would be no limit: a blank is a number that is still to be typed.
            onChange={(concurrencyLimit) => set({ concurrencyLimit: concurrencyLimit || ' ' })}
          />
        </>
      )}
    </Row>
  );
}

function Misfire({ draft, set, errors, changed }: FormProps) {
  return (
    <Row label={words.misfire} changed={changed.has('/misfire_policy') || changed.has('/catch_up_limit')}>
      <Choice
        label={words.misfire}
        value={draft.misfire}
        options={optionsOf(words.misfires)}
        onChange={(misfire) => set({ misfire })}
      />
      {draft.misfire === 'catch_up' ? (
        <>
          <span className="hint">{words.catchUpLimit.toLowerCase()}</span>
          <SmallInput
            label={words.catchUpLimit}
            value={draft.catchUpLimit}
            error={errors['/catch_up_limit']}
            onChange={(catchUpLimit) => set({ catchUpLimit })}
          />
        </>
      ) : (
        <span className="hint">{hintOf(words.misfireHints, draft.misfire)}</span>
      )}
    </Row>
  );
}

interface SmallProps {
  label: string;
  value: string;
  error: string | undefined;
  className?: string;
  onChange: (value: string) => void;
}

function SmallInput({ label, value, error, className = 'w-number', onChange }: SmallProps) {
  return (
    <>
      <input
        className={`input mono ${className}`}
        aria-label={label}
        aria-invalid={error ? true : undefined}
        autoComplete="off"
        spellCheck={false}
        value={value}
        onChange={(event) => onChange(event.target.value)}
      />
      {error && <FieldError>{error}</FieldError>}
    </>
  );
}

function optionsOf(labels: Readonly<Record<string, string>>): { value: string; label: string }[] {
  return Object.entries(labels).map(([value, label]) => ({ value, label }));
}

// A value that this page does not know yet has no hint.
function hintOf(hints: Readonly<Record<string, string>>, value: string): string | undefined {
  return hints[value];
}
