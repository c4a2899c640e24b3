import type { ReactNode } from 'react';
import { Glyph, type GlyphName, toneOf } from './Glyph';
import './Badge.css';

/** A pill: the state of a thing, beside its title. */
export function Badge({ glyph, children }: { glyph: GlyphName; children: ReactNode }) {
  return (
    <span className={`badge ${toneOf(glyph)}`}>
      <Glyph name={glyph} size={12} />
      {children}
    </span>
  );
}
