import { type ReactNode, useId } from 'react';
import { Boundary } from './Boundary';

interface Props {
  title: string;
  /** Beside the title, at its start. */
  beside?: ReactNode;
  /** At the end of the line of the title: one element. */
  end?: ReactNode;
  className?: string;
  children: ReactNode;
}

/** A section: a hairline, a head, what it holds. What fails in it leaves the rest of the page alone. */
export function Section({ title, beside, end, className, children }: Props) {
  const id = useId();
  return (
    <section className={className ? `sec ${className}` : 'sec'} aria-labelledby={id}>
      <header>
        <h2 id={id}>{title}</h2>
        {beside}
        {end}
      </header>
      <Boundary>{children}</Boundary>
    </section>
  );
}
