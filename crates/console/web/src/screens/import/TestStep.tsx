import { Lane } from '../../charts/Lane';
import { duration } from '../../format';
import { Button } from '../../parts/Button';
import { ErrorPanel } from '../../parts/ErrorPanel';
import { glyphOf, Status } from '../../parts/Status';
import { Wire } from '../../parts/Wire';
import { words as editorWords } from '../../words/en/editor';
import { words } from '../../words/en/import';
import { bodyLines, phasesOf } from '../editor/tried';
import type { TestState } from '../editor/useTest';

/** One try before anything is created. */
export function TestStep({ state, onTest }: { state: TestState; onTest: () => void }) {
  const { test, error, isBusy } = state;
  const attempt = error ? null : test?.attempt;
  return (
    <>
      <div className="btns">
        <Button icon="bolt" keys="mod+Shift+Enter" busy={isBusy} onClick={onTest}>
          {test ? words.sendAgain : words.sendOnce}
        </Button>
        <span className="hint">{words.testNote}</span>
      </div>
      <div role="status">
        {error && <ErrorPanel error={error} />}
        {test && !error && (
          <div className="answer under">
            <Status glyph={glyphOf(test.status)}>{attempt?.status_code ?? test.status}</Status>
            <span className="strong">{duration(attempt?.timing.total_ms)}</span>
            {attempt && <Lane times={phasesOf(attempt)} format={duration} />}
            {test.error && (
              <p className="small answer-why" lang="en">
                {test.error}
              </p>
            )}
          </div>
        )}
        {attempt?.body_preview && (
          <details className="response">
            <summary className="small dim">{words.details}</summary>
            <Wire label={editorWords.responseBody} lines={bodyLines(attempt)} copy={attempt.body_preview} />
          </details>
        )}
      </div>
    </>
  );
}
