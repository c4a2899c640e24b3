import { type ReactNode, useId } from 'react';
import { Boundary } from './Boundary';
import './Card.css';

/** A box, for what stands beside the page and not in it. */
export function Card({ title, end, children }: { title: string; end?: ReactNode; children: ReactNode }) {
  const id = useId();
  return (
    <section className="card" aria-labelledby={id}>
      <header>
        <h2 id={id}>{title}</h2>
        {end && <span className="small dim">{end}</span>}
      </header>
      <div className="in">
        <Boundary>{children}</Boundary>
      </div>
    </section>
  );
}
