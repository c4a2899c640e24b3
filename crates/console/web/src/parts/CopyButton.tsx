import type { ReactNode } from 'react';
import { words } from '../words/en/parts';
import { Button } from './Button';
import { useCopy } from './useCopy';

interface Props {
  text: string;
  /** The name of a button that shows only its icon. */
  label?: string;
  kind?: 'plain' | 'ghost';
  small?: boolean;
  children?: ReactNode;
}

/** A button that copies a text and says so. */
export function CopyButton({ text, label, kind = 'ghost', small, children }: Props) {
  const [copied, copy] = useCopy();
  return (
    <>
      <Button
        kind={kind}
        small={small}
        icon={copied ? 'check' : 'copy'}
        label={children ? undefined : (label ?? words.copy)}
        onClick={() => copy(text)}
      >
        {children}
      </Button>
      <span className="vh" role="status">
        {copied && words.copied}
      </span>
    </>
  );
}
