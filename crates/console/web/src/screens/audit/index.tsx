import { Page } from '../../shell/Page';
import { words } from '../../words/en/audit';
import { NeedsScope } from '../configure/NeedsScope';
import { AuditLog } from './AuditLog';

/** Who changed what. */
export default function Audit() {
  return (
    <Page title={words.title}>
      <NeedsScope scope="workspace:admin" title={words.forbidden}>
        <AuditLog />
      </NeedsScope>
    </Page>
  );
}
