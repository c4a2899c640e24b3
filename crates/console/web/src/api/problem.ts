import type { components } from '../schema';

export type FieldProblem = components['schemas']['FieldProblem'];
type ProblemBody = components['schemas']['Problem'];

/** What the API refused, and why (RFC 9457). `code` is stable; `message` says what to do. */
export class Problem extends Error {
  readonly status: number;
  readonly code: string;
  readonly title: string;
  readonly requestId: string | null;
  readonly errors: readonly FieldProblem[];
  /** Whole seconds, from the header `Retry-After`. */
  readonly retryAfter: number | null;

  constructor(status: number, body: Partial<ProblemBody>, retryAfter: number | null = null) {
    super(body.detail ?? body.title ?? `The server responded with ${status}.`);
    this.name = 'Problem';
    this.status = status;
    this.code = body.code ?? 'unknown';
    this.title = body.title ?? '';
    this.requestId = body.request_id ?? null;
    this.errors = body.errors ?? [];
    this.retryAfter = retryAfter;
  }

  /** Whether the same request can succeed later. */
  get isTemporary(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }

  /** Whether the server refused a field or a parameter with this code. */
  hasError(code: string): boolean {
    return this.errors.some((error) => error.code === code);
  }
}

/** No response arrived. */
export function unreachable(): Problem {
  return new Problem(0, {
    code: 'unreachable',
    detail: 'The server did not respond. Check the connection, then try again.',
  });
}

/** Reads a failed response, whatever stands in front of the API sent it. */
export async function problemOf(response: Response): Promise<Problem> {
  const retryAfter = retryAfterOf(response.headers.get('Retry-After'));
  const isProblem = response.headers.get('Content-Type')?.startsWith('application/problem+json');
  const body: Partial<ProblemBody> = isProblem ? await response.json().catch(() => ({})) : {};
  return new Problem(
    response.status,
    { request_id: response.headers.get('X-Request-Id'), ...body },
    retryAfter,
  );
}

function retryAfterOf(header: string | null): number | null {
  if (!header) return null;
  const seconds = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, Math.ceil(seconds)) : null;
}
