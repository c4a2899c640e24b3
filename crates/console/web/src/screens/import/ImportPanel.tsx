import { lazy, Suspense } from 'react';
import { Choice } from '../../parts/Choice';
import { ErrorPanel } from '../../parts/ErrorPanel';
import { Say } from '../../parts/Say';
import { useKeys } from '../../shell/keys';
import { useCan } from '../../shell/workspace';
import { words } from '../../words/en/import';
import { capital } from '../editor/PreviewCard';
import { useSecretNames } from '../editor/useSecretNames';
import { useTest } from '../editor/useTest';
import { ZoneField } from '../editor/ZoneField';
import '../../styles/import.css';
import '../editor/savebar.css';
import './import.css';
import { LinesStep } from './LinesStep';
import { PasteBox } from './PasteBox';
import { type Plan, planOf, requestToTry } from './plan';
import { RequestStep } from './RequestStep';
import type { Read } from './read';
import { SecretRows } from './SecretRows';
import { Step } from './Step';
import { TestStep } from './TestStep';
import { type Creation, useCreate } from './useCreate';
import { type ImportState, useImport } from './useImport';
import { WhenStep } from './WhenStep';

// What comes after a text was pasted, and after the creation.
const Created = lazy(async () => ({ default: (await import('./Created')).Created }));
const Footer = lazy(async () => ({ default: (await import('./Footer')).Footer }));

/** Paste, look at what it became, create it. Overview shows this in an empty workspace (`first`). */
export function ImportPanel({ first }: { first?: boolean }) {
  const state = useImport();
  const creation = useCreate();
  const { read, plan } = state;
  if (creation.created) {
    return (
      <div className="first">
        <Suspense>
          <Created
            jobs={creation.created}
            inputs={plan?.jobs ?? []}
            onMore={() => {
              state.setText('');
              creation.reset();
            }}
          />
        </Suspense>
      </div>
    );
  }
  return (
    <div className="first">
      <header>
        <h1>{first ? words.firstHeading : words.heading}</h1>
        <p>{words.lead}</p>
      </header>
      <ol className="steps">
        <Step
          number={1}
          state={plan && plan.jobs.length > 0 ? 'done' : 'on'}
          title={words.pasteStep}
          titleHidden
        >
          <PasteBox state={state} />
        </Step>
        {read && plan && <Steps state={state} read={read} plan={plan} creation={creation} />}
      </ol>
      {read && plan && plan.jobs.length > 0 && (
        <Finish state={state} read={read} plan={plan} creation={creation} />
      )}
    </div>
  );
}

interface Props {
  state: ImportState;
  read: Read;
  plan: Plan;
  creation: Creation;
}

function Steps({ state, read, plan, creation }: Props) {
  const can = useCan();
  const existing = useSecretNames()?.filter((name) => !creation.made.has(name));
  const test = useTest(null);
  const [entry] = read.entries;
  const isSingle = read.entries.length === 1 && !read.findings.some((it) => it.level === 'refused');
  const tryIt = () => entry && test.run(requestToTry(entry, read, state.secrets));
  const mayTest = isSingle && can('jobs:run') && !test.isAbsent;
  useKeys([{ keys: 'mod+Shift+Enter', label: words.test, inFields: true, run: () => mayTest && tryIt() }]);
  const secrets = (
    <SecretRows
      state={state}
      read={read}
      existing={existing}
      mayCreate={can('secrets:write')}
      errors={creation.secretErrors}
    />
  );
  if (read.entries.length === 0 || !isSingle || !entry) {
    return (
      <>
        <Step number={2} state={state.unscheduled > 0 ? 'done' : 'on'} title={words.lines}>
          <LinesStep read={read} />
          {secrets}
        </Step>
        {state.unscheduled > 0 && (
          <Step number={3} state="on" title={words.when}>
            <p className="dim small">{words.whenOf(state.unscheduled)}</p>
            <WhenStep when={state.when} setWhen={state.setWhen} />
          </Step>
        )}
        {read.entries.length > 0 && <Then state={state} read={read} number={state.unscheduled > 0 ? 4 : 3} />}
      </>
    );
  }
  const job = plan.jobs[0] ?? entry.job;
  return (
    <>
      <Step number={2} state="done" title={words.request}>
        <RequestStep entry={entry} read={read} job={job} />
        {secrets}
      </Step>
      <Step number={3} state="on" title={words.when}>
        {state.unscheduled > 0 ? (
          <WhenStep when={state.when} setWhen={state.setWhen} />
        ) : (
          <p>
            <span lang="en">{capital(entry.inWords || words.scheduled)}</span>
          </p>
        )}
      </Step>
      {mayTest && (
        <Step number={4} state={test.test?.status === 'succeeded' ? 'done' : 'later'} title={words.test}>
          <TestStep state={test} onTest={tryIt} />
        </Step>
      )}
      {state.unscheduled === 0 && <Then state={state} read={read} number={mayTest ? 5 : 4} />}
    </>
  );
}

function Then({ state, read, number }: { state: ImportState; read: Read; number: number }) {
  return (
    <Step number={number} state="later" title={words.thenStep}>
      <div className="btns">
        <Choice
          label={words.state}
          value={state.isPaused ? 'paused' : 'active'}
          options={[
            { value: 'active', label: words.startAtOnce },
            { value: 'paused', label: words.createPaused },
          ]}
          onChange={(value) => state.setPaused(value === 'paused')}
        />
        <span className="hint">{state.isPaused ? words.pausedHint : words.activeHint}</span>
      </div>
      {read.format === 'crontab' && (
        <div className="btns under">
          <span className="dim">{words.zoneOfLines}</span>
          <div className="w-zone">
            <ZoneField value={state.when.zone} onChange={(zone) => state.setWhen({ zone })} />
          </div>
        </div>
      )}
    </Step>
  );
}

function Finish({ state, read, plan, creation }: Props) {
  const can = useCan();
  const mayWrite = can('jobs:write');
  const { failure, isBusy } = creation;
  const create = () => void creation.create(plan);
  const asDrafts = () =>
    void creation.create(planOf(read, { secrets: state.secrets, when: state.when, state: 'draft' }));
  useKeys([
    {
      keys: 'mod+Enter',
      label: words.create(plan.jobs.length),
      inFields: true,
      run: () => mayWrite && create(),
    },
  ]);
  return (
    <>
      {!mayWrite && <Say tone="plan">{words.readOnly}</Say>}
      {failure && failure.sentences.length > 0 && (
        <Say tone="bad" news>
          <strong>{words.notCreated}.</strong> {failure.sentences.join(' ')}
        </Say>
      )}
      {failure && failure.sentences.length === 0 && (
        <ErrorPanel
          error={failure.error}
          title={words.notCreated}
          still={failure.secrets.length > 0 ? words.secretsOnly([...failure.secrets]) : ''}
          onRetry={create}
        />
      )}
      <Suspense>
        <Footer
          read={read}
          plan={plan}
          isBusy={isBusy}
          mayWrite={mayWrite}
          onCreate={create}
          onDraft={asDrafts}
        />
      </Suspense>
    </>
  );
}
