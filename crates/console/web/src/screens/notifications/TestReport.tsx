import { Link } from 'wouter';
import type { Notification } from '../../api/queries/notifications';
import { Button } from '../../parts/Button';
import { Say } from '../../parts/Say';
import { now, relative, useNow } from '../../time';
import { words } from '../../words/en/notifications';

interface Props {
  notification: Notification | null;
  /** Why the test could not be sent. */
  refusal: string | null;
  onDismiss: () => void;
}

/** What became of a test message, in place. */
export function TestReport({ notification, refusal, onDismiss }: Props) {
  const close = <Button kind="ghost" small icon="x" label={words.dismiss} onClick={onDismiss} />;
  if (!notification) {
    return (
      <Say tone="bad" news action={close}>
        <strong>{words.notSent}</strong> {refusal}
      </Say>
    );
  }
  const last = notification.attempts.at(-1);
  if (notification.status === 'succeeded') {
    return (
      <Say tone="ok" news action={close}>
        <strong>{words.testDelivered}</strong> {last && words.responded(last.status_code, last.duration_ms)}
      </Say>
    );
  }
  if (!last) {
    return (
      <Say tone="plan" news action={close}>
        {words.sending}
      </Say>
    );
  }
  const isFinal = notification.status === 'failed';
  return (
    <Say tone={isFinal ? 'bad' : 'warn'} news action={close}>
      <strong>{isFinal ? words.testFailed : words.testRetrying}</strong>{' '}
      {last.error ?? words.errorClass(notification.error_class)}{' '}
      {notification.next_attempt_at && <NextAttempt at={notification.next_attempt_at} />}{' '}
      <Link href={`/notifications/log?id=${notification.id}`}>{words.openInLog}</Link>
    </Say>
  );
}

function NextAttempt({ at }: { at: string }) {
  useNow();
  return <span aria-live="off">{words.nextAttempt(relative(at, now()))}</span>;
}
