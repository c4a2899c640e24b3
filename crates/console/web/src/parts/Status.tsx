import type { ReactNode } from 'react';
import { Glyph, type GlyphName, type Tone, toneOf } from './Glyph';
import './Status.css';

const OUTCOMES: Record<string, GlyphName> = {
  succeeded: 'ok',
  failed: 'bad',
  running: 'run',
  retrying: 'retry',
  queued: 'queue',
  cancelled: 'cancel',
  skipped: 'skip',
  active: 'ok',
  paused: 'pause',
  draft: 'draft',
  completed: 'done',
  failing: 'bad',
  will_fail: 'warn',
  well: 'ok',
  never_ran: 'queue',
};

/** The glyph of a status of a run, or of a state of a job; a dotted ring for one that is not known yet. */
export function glyphOf(status: string): GlyphName {
  return OUTCOMES[status] ?? 'queue';
}

interface Props {
  glyph: GlyphName;
  /** Where the words are not in the colour of the glyph. */
  tone?: Tone;
  size?: number;
  children: ReactNode;
}

/** An outcome: a shape, a word, a colour. */
export function Status({ glyph, tone = toneOf(glyph), size = 14, children }: Props) {
  return (
    <span className={`st ${tone}`}>
      <Glyph name={glyph} size={size} />
      <span className="cut">{children}</span>
    </span>
  );
}
