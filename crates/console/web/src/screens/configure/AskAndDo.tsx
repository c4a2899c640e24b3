import { type ReactNode, useState } from 'react';
import { Problem } from '../../api/problem';
import { Ask } from '../../parts/Ask';
import { Say } from '../../parts/Say';

interface Props {
  /** A question that names what it is about. */
  title: string;
  confirm: string;
  typed?: string;
  danger?: boolean;
  /** Does it. `'stay'`: another dialog has taken the place of this one. */
  onConfirm: () => Promise<unknown>;
  onClose: () => void;
  children?: ReactNode;
}

/** A question before what cannot be undone. It closes when it is done; what the server refuses stays in it. */
export function AskAndDo({ onConfirm, onClose, children, ...ask }: Props) {
  const [refusal, setRefusal] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);
  async function confirm() {
    setBusy(true);
    setRefusal(null);
    try {
      if ((await onConfirm()) !== 'stay') onClose();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setRefusal(error.message);
      setBusy(false);
    }
  }
  return (
    <Ask {...ask} busy={isBusy} onConfirm={() => void confirm()} onClose={onClose}>
      <div className="asked">
        {children}
        {refusal && (
          <Say tone="bad" news>
            {refusal}
          </Say>
        )}
      </div>
    </Ask>
  );
}
