import { counted, ordinal } from '../../format';
import { statuses } from '../en';

/** Classes of errors in a word or two. A class that is not here is shown as the API names it. */
const CLASSES: Record<string, string> = {
  timeout_dns: 'DNS timed out',
  timeout_connect: 'connection timed out',
  timeout_tls: 'TLS timed out',
  timeout_response: 'timed out',
  timeout_body: 'timed out',
  dns_not_found: 'host not found',
  dns_failed: 'DNS failed',
  connect_refused: 'refused',
  connect_reset: 'reset',
  connect_unreachable: 'unreachable',
  connect_failed: 'no connection',
  tls_certificate: 'certificate',
  tls_handshake: 'TLS failed',
  closed_early: 'closed early',
  protocol_error: 'invalid response',
  response_too_large: 'too large',
  egress_refused: 'blocked',
  secret_missing: 'no secret',
  secret_unreadable: 'secret unreadable',
  executor_lost: 'interrupted',
  internal: 'internal error',
};

/** A class of errors in a word or two. */
export function errorClass(name: string): string {
  return CLASSES[name] ?? name.replaceAll('_', ' ');
}

/** The result of a run in a word: the status of the response where there was one. "504 after 3 attempts". */
export function result(run: {
  status: string;
  attempt_count: number;
  status_code?: number | null;
  error_class?: string | null;
}): string {
  const { status, attempt_count: attempts } = run;
  const failed = run.status_code ?? (run.error_class ? errorClass(run.error_class) : statuses.failed);
  switch (status) {
    case 'succeeded': {
      const word = String(run.status_code ?? statuses.succeeded);
      return attempts > 1 ? `${word}, ${ordinal(attempts)} attempt` : word;
    }
    case 'failed':
      return attempts > 1 ? `${failed} after ${counted(attempts, 'attempt')}` : String(failed);
    default:
      return statuses[status] ?? status;
  }
}
