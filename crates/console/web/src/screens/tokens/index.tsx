import { Page } from '../../shell/Page';
import { words } from '../../words/en/tokens';
import { NeedsScope } from '../configure/NeedsScope';
import { TokenList } from './TokenList';

/** API tokens of the workspace. */
export default function Tokens() {
  return (
    <Page title={words.title}>
      <NeedsScope scope="workspace:admin" title={words.forbidden}>
        <TokenList />
      </NeedsScope>
    </Page>
  );
}
