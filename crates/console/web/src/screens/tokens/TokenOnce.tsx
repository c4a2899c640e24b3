import { BASE } from '../../api/client';
import type { Token } from '../../api/queries/tokens';
import { words } from '../../words/en/tokens';
import { Once } from '../configure/Once';

/** The secret of a token that was just made or rotated. */
export function TokenOnce({ token, onClose }: { token: Token; onClose: () => void }) {
  const secret = token.token ?? '';
  return (
    <Once
      title={words.onceTitle(token.name)}
      text={words.onceText}
      secret={secret}
      name={words.secretName}
      example={words.curl(BASE, secret)}
      onClose={onClose}
    />
  );
}
