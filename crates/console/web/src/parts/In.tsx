import { type Instant, relative, useNow } from '../time';

/** How long until an instant, or since it, by the server's clock, once a second. Not read aloud as it changes. */
export function In({ at, className = 'in' }: { at: Instant; className?: string }) {
  return <span className={className}>{relative(at, useNow())}</span>;
}
