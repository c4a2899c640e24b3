import { Page } from '../../shell/Page';
import { words } from '../../words/en/members';
import { NeedsScope } from '../configure/NeedsScope';
import { MemberList } from './MemberList';

/** Members of the workspace, and who is invited. */
export default function Members() {
  return (
    <Page title={words.title}>
      <NeedsScope scope="workspace:admin" title={words.forbidden}>
        <MemberList />
      </NeedsScope>
    </Page>
  );
}
