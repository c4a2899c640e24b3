import type { GlyphName } from '../../parts/Glyph';
import { glyphOf } from '../../parts/Status';

/** The glyph of a delivery; the statuses are those of runs. */
export function glyphOfDelivery(status: string): GlyphName {
  return glyphOf(status);
}

/** The glyph of what a notification reports. */
export function glyphOfEvent(event: string): GlyphName {
  const glyphs: Record<string, GlyphName> = {
    failed: 'bad',
    succeeded: 'ok',
    recovered: 'ok',
    test: 'queue',
  };
  return glyphs[event] ?? 'queue';
}
