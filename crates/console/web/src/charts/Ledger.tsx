import { count } from '../format';
import { words } from '../words/en/parts';
import './Ledger.css';

interface Props {
  due: number;
  ran: number;
  skipped: number;
  pending: number;
  gaps: number;
  duplicates: number;
}

/** The equation of a ledger: what was due is what ran, was skipped, and is pending. What is missing is red. */
export function Ledger({ due, ran, skipped, pending, gaps, duplicates }: Props) {
  return (
    <div className="ledger-sum">
      <Term value={due} name={words.ledger.due} />
      <i>=</i>
      <Term value={ran} name={words.ledger.ran} />
      <i>+</i>
      <Term value={skipped} name={words.ledger.skipped} />
      <i>+</i>
      <Term value={pending} name={words.ledger.pending} />
      {gaps > 0 && (
        <>
          <i>+</i>
          <Term value={gaps} name={words.ledger.gaps} bad />
        </>
      )}
      {duplicates > 0 && (
        <>
          <i>;</i>
          <Term value={duplicates} name={words.ledger.duplicates} bad />
        </>
      )}
    </div>
  );
}

function Term({ value, name, bad }: { value: number; name: string; bad?: boolean }) {
  return (
    <div className={bad ? 'bad-text' : undefined}>
      <b>{count(value)}</b>
      <span>{name}</span>
    </div>
  );
}
