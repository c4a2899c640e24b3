import { useRef, useState } from 'react';
import { Problem } from '../../api/problem';
import { useCreateJobs } from '../../api/queries/editor';
import type { Job } from '../../api/queries/jobs';
import { useCreateSecret } from '../../api/queries/secrets';
import { words } from '../../words/en/import';
import { sentenceOf } from '../editor/fields';
import type { Plan } from './plan';

interface Failure {
  /** The secrets that exist by now although the jobs do not. */
  secrets: readonly string[];
  sentences: readonly string[];
  error: unknown;
}

/** Creates secrets, then jobs: all of the jobs or none. What exists already is not created again by a second try. */
export function useCreate() {
  const secret = useCreateSecret();
  const jobs = useCreateJobs();
  const made = useRef(new Set<string>());
  const [created, setCreated] = useState<readonly Job[] | null>(null);
  const [failure, setFailure] = useState<Failure | null>(null);
  const [secretErrors, setSecretErrors] = useState<Readonly<Record<string, string>>>({});
  const [isBusy, setBusy] = useState(false);

  async function create(plan: Plan) {
    if (isBusy) return;
    setBusy(true);
    setFailure(null);
    setSecretErrors({});
    try {
      if (await createSecrets(plan)) setCreated((await jobs.mutateAsync(plan.jobs)).created);
    } catch (error) {
      setFailure({ secrets: [...made.current], sentences: sentencesOf(error, plan), error });
    } finally {
      setBusy(false);
    }
  }

  async function createSecrets(plan: Plan): Promise<boolean> {
    for (const it of plan.secrets.filter(({ name }) => !made.current.has(name))) {
      try {
        await secret.mutateAsync(it);
        made.current.add(it.name);
      } catch (error) {
        if (!(error instanceof Problem) || ![409, 422].includes(error.status)) throw error;
        const [first] = error.errors;
        setSecretErrors({ [it.name]: first ? sentenceOf(first) : error.message });
        return false;
      }
    }
    return true;
  }

  function reset() {
    made.current = new Set();
    setCreated(null);
    setFailure(null);
    setSecretErrors({});
  }
  return { create, isBusy, created, failure, secretErrors, made: made.current, reset };
}

export type Creation = ReturnType<typeof useCreate>;

/** Each error at the job that it is about. */
function sentencesOf(error: unknown, plan: Plan): string[] {
  if (!(error instanceof Problem)) return [];
  return error.errors.map((it) => {
    const index = Number(/^\/items\/(\d+)/.exec(it.pointer)?.[1] ?? Number.NaN);
    const name = plan.jobs[index]?.name ?? it.pointer;
    return words.errorOf(name, sentenceOf(it));
  });
}
