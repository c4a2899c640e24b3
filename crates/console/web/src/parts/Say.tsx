import type { ReactNode } from 'react';
import { Glyph, type GlyphName } from './Glyph';
import './Say.css';

type SayTone = 'bad' | 'warn' | 'plan' | 'ok';

const GLYPHS: Record<SayTone, GlyphName> = { bad: 'bad', warn: 'warn', plan: 'plan', ok: 'ok' };

interface Props {
  tone: SayTone;
  /** One or two buttons at the end. */
  action?: ReactNode;
  /** It came while the page was open, and is read aloud. */
  news?: boolean;
  children: ReactNode;
}

/** One sentence with its evidence; the verdict stands in `<strong>`. */
export function Say({ tone, action, news, children }: Props) {
  return (
    <div className={tone === 'bad' ? 'say' : `say ${tone}`} role={news ? 'status' : undefined}>
      <Glyph name={GLYPHS[tone]} size={16} />
      <div>
        <p>{children}</p>
      </div>
      {action && <div className="btns">{action}</div>}
    </div>
  );
}
