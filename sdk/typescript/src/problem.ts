import type { components } from "./schema.js";

type ProblemBody = components["schemas"]["Problem"];

/** One invalid field or parameter of a request. */
export type FieldProblem = components["schemas"]["FieldProblem"];

/** What every error of this package extends. */
export class TrigRunError extends Error {
  override name = "TrigRunError";
}

/** No response came, after all retries. `cause` is the error of `fetch`. */
export class Unreachable extends TrigRunError {
  override name = "Unreachable";
}

/** An execution did not end in the time that the caller gave it. It goes on. */
export class WaitTimeout extends TrigRunError {
  override name = "WaitTimeout";

  constructor(
    /** The execution as it was last seen. */
    readonly execution: components["schemas"]["Execution"],
    seconds: number,
  ) {
    super(`The execution ${execution.id} has not ended within ${seconds} s. It is ${execution.status}, and goes on.`);
  }
}

/** An error response of the API (RFC 9457). */
export class Problem extends TrigRunError {
  override name = "Problem";
  readonly status: number;
  /** A stable code for programs, such as `validation_failed`. It is `unexpected_response` if something else than TrigRun responded. */
  readonly code: string;
  /** What went wrong, and what to do about it. */
  readonly detail: string;
  /** All invalid fields and parameters, each with a JSON pointer. */
  readonly errors: FieldProblem[];
  /** Name it when you report a problem. */
  readonly requestId: string | null;
  readonly response: Response;

  constructor(response: Response, body: Partial<ProblemBody>) {
    const detail = body.detail ?? unexpected(response);
    // `detail` names a single field by itself, but only lists the names of several.
    const errors = body.errors ?? [];
    const fields = errors.length > 1 ? errors.map((error) => `\n  ${error.pointer}: ${error.detail}`) : [];
    super(detail + fields.join(""));
    this.response = response;
    this.status = response.status;
    this.code = body.code ?? "unexpected_response";
    this.detail = detail;
    this.errors = errors;
    this.requestId = body.request_id ?? response.headers.get("X-Request-Id");
  }

  static async of(response: Response): Promise<Problem> {
    const isProblem = response.headers.get("Content-Type")?.startsWith("application/problem+json");
    if (!isProblem) {
      await response.body?.cancel();
      return new Problem(response, {});
    }
    return new Problem(response, (await response.json()) as ProblemBody);
  }
}

function unexpected(response: Response): string {
  const location = response.headers.get("Location");
  if (location) return `The server redirects to ${location}. Use the address of the API itself as url.`;
  return `The response with status ${response.status} is not one of TrigRun. Check that url is the address of the API.`;
}
