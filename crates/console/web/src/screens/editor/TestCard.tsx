import { Lane } from '../../charts/Lane';
import { duration } from '../../format';
import { Button } from '../../parts/Button';
import { Card } from '../../parts/Card';
import { ErrorPanel } from '../../parts/ErrorPanel';
import { glyphOf, Status } from '../../parts/Status';
import { Wire } from '../../parts/Wire';
import { words } from '../../words/en/editor';
import { bodyLines, phasesOf, resultOf } from './tried';
import type { TestState } from './useTest';

interface Props {
  state: TestState;
  onTest: () => void;
  refused: string | undefined;
}

/** One try of the request as it stands in the form. */
export function TestCard({ state, onTest, refused }: Props) {
  const { test, error, isBusy } = state;
  return (
    <Card title={words.test} end={words.testNote}>
      <div className="head">
        {test && !error ? (
          <Status glyph={glyphOf(test.status)}>{resultOf(test)}</Status>
        ) : (
          <span className="dim small">{words.notTested}</span>
        )}
        <Button small icon="bolt" keys="mod+Shift+Enter" busy={isBusy} refused={refused} onClick={onTest}>
          {test ? words.testAgain : words.testOnce}
        </Button>
      </div>
      <div role="status">{error ? <ErrorPanel error={error} /> : test && <Result test={test} />}</div>
    </Card>
  );
}

/** The phases of a test, why it failed, and its response. */
export function Result({ test }: { test: NonNullable<TestState['test']> }) {
  const { attempt, error } = test;
  return (
    <>
      {attempt && <Lane times={phasesOf(attempt)} format={duration} />}
      {error && (
        <p className="small" lang="en">
          {error}
        </p>
      )}
      {attempt?.body_preview && (
        <details className="response">
          <summary className="small dim">{words.showResponse}</summary>
          <Wire label={words.responseBody} lines={bodyLines(attempt)} copy={attempt.body_preview} />
        </details>
      )}
    </>
  );
}
