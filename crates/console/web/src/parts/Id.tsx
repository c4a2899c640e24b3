import { words } from '../words/en/parts';
import { Icon } from './Icon';
import { useCopy } from './useCopy';
import './Id.css';

const WHOLE = 22;

/** A typed id in short, which copies the whole. */
export function Id({ id, name = 'id' }: { id: string; name?: string }) {
  const [copied, copy] = useCopy();
  const short = id.length > WHOLE ? `${id.slice(0, 16)}…${id.slice(-4)}` : id;
  return (
    <button type="button" className="id" title={id} onClick={() => copy(id)}>
      <code>{short}</code>
      <Icon name={copied ? 'check' : 'copy'} size={12} />
      <span className="vh">, {words.copyName(name)}</span>
      <span className="vh" role="status">
        {copied && words.copied}
      </span>
    </button>
  );
}
