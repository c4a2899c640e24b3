import { Link } from 'wouter';
import type { AuditEntry } from '../../api/queries/audit';
import { Dialog } from '../../parts/Dialog';
import { Fact, Facts } from '../../parts/Facts';
import { Id } from '../../parts/Id';
import { When } from '../../parts/When';
import { fullTime } from '../../time';
import { words } from '../../words/en/audit';

/** All that is recorded of one change. */
export function Entry({ entry, onClose }: { entry: AuditEntry; onClose: () => void }) {
  const href = hrefOf(entry);
  return (
    <Dialog title={words.sentence(entry)} onClose={onClose}>
      <Facts>
        <Fact name={words.when}>
          <When at={entry.created_at} format={fullTime} />
        </Fact>
        <Fact name={words.who}>
          {words.actor(entry.actor)} {entry.actor.id && <Id id={entry.actor.id} />}
        </Fact>
        <Fact name={words.action}>
          <code>{entry.action}</code>
        </Fact>
        <Fact name={words.targetName}>
          {href ? <Link href={href}>{words.target(entry)}</Link> : words.target(entry)}{' '}
          <Id id={entry.target.id} />
        </Fact>
        {Object.entries(entry.details).map(([name, value]) => (
          <Fact key={name} name={words.detailName(name)}>
            <span className="detail">{value}</span>
          </Fact>
        ))}
        <Fact name={words.from}>{entry.address}</Fact>
        <Fact name={words.request}>{entry.request_id && <Id id={entry.request_id} />}</Fact>
      </Facts>
    </Dialog>
  );
}

/** Where the object of a change is, if it has an address and still exists. */
function hrefOf({ action, target }: AuditEntry): string | null {
  if (action.endsWith('.deleted') || action.endsWith('.removed')) return null;
  if (target.id.startsWith('job_')) return `/jobs/${target.id}`;
  if (action.startsWith('secret.') && target.name) return `/secrets/${encodeURIComponent(target.name)}`;
  if (action.startsWith('channel.')) return '/notifications';
  if (action.startsWith('token.')) return '/tokens';
  return action.startsWith('member.') ? '/members' : null;
}
