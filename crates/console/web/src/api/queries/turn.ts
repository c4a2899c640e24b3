/** Requests that the rows of a list make for themselves: at most a few at a time, none for a row that is gone. */

const MAX_AT_ONCE = 3;

let running = 0;
const waiting: (() => void)[] = [];

/** Performs a request when it is its turn. */
export async function inTurn<T>(signal: AbortSignal, request: () => Promise<T>): Promise<T> {
  if (running >= MAX_AT_ONCE) await new Promise<void>((resolve) => waiting.push(resolve));
  else running += 1;
  try {
    signal.throwIfAborted();
    return await request();
  } finally {
    const next = waiting.shift();
    if (next) next();
    else running -= 1;
  }
}
