import { useState } from 'react';
import { BASE } from '../../api/client';
import { Problem } from '../../api/problem';
import {
  type SigningSecret as Secret,
  useReadSigningSecret,
  useRotateSigningSecret,
} from '../../api/queries/workspace';
import { Button } from '../../parts/Button';
import { Say } from '../../parts/Say';
import { toast } from '../../parts/toasts';
import { When } from '../../parts/When';
import { fullTime, useNow } from '../../time';
import { words } from '../../words/en/settings';
import { AskAndDo } from '../configure/AskAndDo';
import { Copied } from '../configure/Once';
import { Setting } from '../configure/Setting';

/** The secret that signs requests and notifications: shown when it is asked for, and rotated. */
export function SigningSecret() {
  const [secret, setSecret] = useState<Secret | null>(null);
  const [refusal, setRefusal] = useState<string | null>(null);
  const [isAsked, setAsked] = useState(false);
  const read = useReadSigningSecret();
  async function show() {
    setRefusal(null);
    try {
      setSecret(await read.mutateAsync());
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setRefusal(error.message);
    }
  }
  return (
    <Setting
      title={words.signing}
      text={
        <>
          {words.signingText} <a href={new URL('docs/signing.md', BASE).href}>{words.howToVerify}</a>
        </>
      }
    >
      {refusal && (
        <Say tone="bad" news>
          {refusal}
        </Say>
      )}
      {secret && <Shown secret={secret} />}
      <div className="btns">
        {secret ? (
          <Button onClick={() => setSecret(null)}>{words.hide}</Button>
        ) : (
          <Button icon="eye" busy={read.isPending} onClick={() => void show()}>
            {words.show}
          </Button>
        )}
        <Button icon="replay" onClick={() => setAsked(true)}>
          {words.rotate}
        </Button>
      </div>
      {isAsked && <Rotate onRotated={setSecret} onClose={() => setAsked(false)} />}
    </Setting>
  );
}

function Shown({ secret: { secret, previous } }: { secret: Secret }) {
  const now = useNow();
  return (
    <>
      <Copied text={secret} name={words.secretName} />
      {previous && Date.parse(previous.valid_until) > now && (
        <div>
          <p className="small dim previous">
            {words.previous} <When at={previous.valid_until} format={fullTime} />
          </p>
          <Copied text={previous.secret} name={words.previousName} />
        </div>
      )}
    </>
  );
}

function Rotate({ onRotated, onClose }: { onRotated: (secret: Secret) => void; onClose: () => void }) {
  const rotate = useRotateSigningSecret();
  const [isPending, setPending] = useState(false);
  async function confirm() {
    try {
      onRotated(await rotate.mutateAsync(isPending));
    } catch (error) {
      if (!(error instanceof Problem) || error.code !== 'rotation_pending') throw error;
      // The question is another one now: it is asked again.
      setPending(true);
      return 'stay';
    }
    toast({ text: words.rotated });
  }
  return (
    <AskAndDo
      key={String(isPending)}
      title={isPending ? words.askForce : words.askRotate}
      confirm={isPending ? words.rotateAnyway : words.rotate}
      danger={isPending}
      onConfirm={confirm}
      onClose={onClose}
    >
      <p>{isPending ? words.askForceWhy : words.askRotateWhy}</p>
    </AskAndDo>
  );
}
