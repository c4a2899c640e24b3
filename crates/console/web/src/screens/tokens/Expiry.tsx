import { Status } from '../../parts/Status';
import { PlainWhen } from '../../parts/When';
import { useNow } from '../../time';
import { words } from '../../words/en/tokens';

const DAY_MS = 86_400_000;
const SOON_DAYS = 14;

/** When a token ends: said early enough to rotate it. */
export function Expiry({ at }: { at: string | null }) {
  const now = useNow();
  if (at === null) return <span className="dim">{words.never}</span>;
  const days = (Date.parse(at) - now) / DAY_MS;
  if (days <= 0) return <Status glyph="bad">{words.expired}</Status>;
  return (
    <div className="two">
      <span className={days < SOON_DAYS ? 'warn-text' : undefined}>{words.inDays(days)}</span>
      <small>
        <PlainWhen at={at} />
      </small>
    </div>
  );
}
