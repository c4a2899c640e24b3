import type { ReactNode } from 'react';
import { words } from '../words/en/parts';
import './Facts.css';

/** Keys and their values. */
export function Facts({ children }: { children: ReactNode }) {
  return <dl className="facts">{children}</dl>;
}

/** One of them; what is not known is a dash, never a zero. */
export function Fact({ name, children }: { name: string; children: ReactNode }) {
  const unknown = children === null || children === undefined || children === '';
  return (
    <>
      <dt>{name}</dt>
      <dd>{unknown ? words.unknown : children}</dd>
    </>
  );
}
