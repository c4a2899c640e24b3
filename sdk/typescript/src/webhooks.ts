import { Webhook, WebhookVerificationError } from "standardwebhooks";
import type { components } from "./schema.js";

export { WebhookVerificationError } from "standardwebhooks";

/** The body of what a notification channel of type webhook receives. */
export type WebhookEvent = components["schemas"]["WebhookEvent"];

/** What the signature of a request covers besides the body. */
export interface Verified {
  /**
   * The id of the execution, or of the notification. It is the same on every attempt: a target that has seen it before has
   * received the same request before.
   */
  id: string;
  /** When the attempt was made. */
  timestamp: Date;
}

type RequestHeaders = Headers | Record<string, string | string[] | undefined>;

/**
 * Verifies that a request comes from the workspace with this signing secret, within the last five minutes, and that its body was
 * not changed. Throws `WebhookVerificationError` otherwise.
 *
 * @param secret The signing secret, `whsec_…`; during a rotation, the new one and the old one.
 * @param headers Those of the request: of the Fetch API, or of Node.
 * @param body The bytes or the text as they arrived, before any parsing.
 */
export function verify(secret: string | readonly string[], headers: RequestHeaders, body: string | Uint8Array): Verified {
  const text = typeof body === "string" ? body : decode(body);
  const signed = {
    "webhook-id": header(headers, "webhook-id"),
    "webhook-timestamp": header(headers, "webhook-timestamp"),
    "webhook-signature": header(headers, "webhook-signature"),
  };
  const secrets = typeof secret === "string" ? [secret] : secret;
  if (secrets.length === 0) throw new TypeError("The signing secret is missing.");
  let failure: unknown;
  for (const one of secrets) {
    try {
      // Bodies of jobs need not be JSON.
      new Webhook(one).verify(text, signed, { jsonParse: false });
      return { id: signed["webhook-id"], timestamp: new Date(Number(signed["webhook-timestamp"]) * 1000) };
    } catch (error) {
      if (!(error instanceof WebhookVerificationError)) throw error;
      failure = error;
    }
  }
  throw failure;
}

/** TrigRun sends bodies in UTF-8 only. */
function decode(body: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body);
  } catch {
    throw new WebhookVerificationError("The body is not UTF-8");
  }
}

function header(headers: RequestHeaders, name: string): string {
  if (headers instanceof Headers) return headers.get(name) ?? "";
  const value = Object.entries(headers).find(([key]) => key.toLowerCase() === name)?.[1];
  return (Array.isArray(value) ? value.join(" ") : value) ?? "";
}
