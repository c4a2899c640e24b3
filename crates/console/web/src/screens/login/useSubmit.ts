import { type FormEvent, useEffect, useRef, useState } from 'react';
import { Problem } from '../../api/problem';
import { focusFirstError } from '../../parts/Field';
import { words } from '../../words/en/login';

/** Sends a form once at a time, and keeps what the server says of it and of its fields. */
export function useSubmit(action: () => Promise<void>) {
  const [problem, setProblem] = useState<Problem | null>(null);
  const [isBusy, setBusy] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    if (problem) focusFirstError(form.current);
  }, [problem]);
  async function submit(event: FormEvent) {
    event.preventDefault();
    if (isBusy) return;
    setBusy(true);
    setProblem(null);
    try {
      await action();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setProblem(error);
    } finally {
      setBusy(false);
    }
  }
  const of = (pointer: string) => problem?.errors.find((it) => it.pointer === pointer)?.detail;
  const isOfFields = (problem?.errors.length ?? 0) > 0;
  const seconds = problem?.retryAfter;
  const message =
    problem && !isOfFields ? (seconds ? `${problem.message} ${words.wait(seconds)}` : problem.message) : null;
  return { submit, form, isBusy, errorOf: of, message };
}
