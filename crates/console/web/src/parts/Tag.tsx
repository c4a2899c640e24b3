import type { ReactNode } from 'react';
import './Tag.css';

/** A label that a user gave. */
export function Tag({ children }: { children: ReactNode }) {
  return <span className="tag">{children}</span>;
}
