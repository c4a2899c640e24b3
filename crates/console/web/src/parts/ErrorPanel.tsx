import { useEffect, useRef, useState } from 'react';
import { words } from '../words/en/parts';
import { Blank } from './Blank';
import { Button } from './Button';
import { CopyButton } from './CopyButton';

/** What a failed request says of itself; the client's Problem is one. */
interface ProblemLike {
  status: number;
  title: string;
  message: string;
  requestId: string | null;
  retryAfter: number | null;
}

function isProblem(error: unknown): error is ProblemLike {
  return error instanceof Error && 'status' in error && 'requestId' in error;
}

interface Props {
  error: unknown;
  onRetry?: () => void;
  /** What could not be done, where the problem's title does not say it. */
  title?: string;
  /** What still works. */
  still?: string;
}

/** An error in place of a panel: what happened, what to do, the id of the request. */
export function ErrorPanel({ error, onRetry, title, still }: Props) {
  const problem = isProblem(error) ? error : undefined;
  const said = problem ? problem.message : words.couldNotDrawText;
  const seconds = useCountdown(error, problem?.retryAfter ?? null, onRetry);
  return (
    <div role="alert">
      <Blank
        glyph="warn"
        title={title ?? (problem ? problem.title || words.couldNotLoad : words.couldNotDraw)}
        action={
          <>
            {onRetry && <Button onClick={onRetry}>{seconds ? words.tryNow : words.retry}</Button>}
            {problem?.requestId && (
              <CopyButton
                text={problem.requestId}
              >{`${words.requestId} ${shortId(problem.requestId)}`}</CopyButton>
            )}
          </>
        }
      >
        <p>
          {said} {still} {seconds > 0 && words.retryIn(seconds)}
        </p>
      </Blank>
    </div>
  );
}

function shortId(id: string): string {
  return id.length > 14 ? `${id.slice(0, 8)}…${id.slice(-3)}` : id;
}

/** The seconds until the request is sent again by itself, where the server said when that makes sense. */
function useCountdown(error: unknown, retryAfter: number | null, onRetry: (() => void) | undefined): number {
  const [left, setLeft] = useState(retryAfter ?? 0);
  const retry = useRef(onRetry);
  retry.current = onRetry;
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new error starts anew, though it says the same
  useEffect(() => {
    setLeft(retryAfter ?? 0);
    if (!retryAfter) return;
    const ends = Date.now() + retryAfter * 1000;
    const timer = setInterval(() => {
      const seconds = Math.ceil((ends - Date.now()) / 1000);
      setLeft(Math.max(0, seconds));
      if (seconds <= 0) {
        clearInterval(timer);
        retry.current?.();
      }
    }, 1000);
    return () => clearInterval(timer);
  }, [error, retryAfter]);
  return onRetry ? left : 0;
}
