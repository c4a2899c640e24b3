import { type ReactNode, useId } from 'react';
import { Boundary } from '../../parts/Boundary';
import './configure.css';

interface Props {
  title: string;
  /** What it does. */
  text: ReactNode;
  danger?: boolean;
  children: ReactNode;
}

/** One setting: what it is on the left, its controls on the right. */
export function Setting({ title, text, danger, children }: Props) {
  const id = useId();
  return (
    <section className={danger ? 'setting danger' : 'setting'} aria-labelledby={id}>
      <div className="setting-about">
        <h2 id={id}>{title}</h2>
        <p>{text}</p>
      </div>
      <div className="setting-in">
        <Boundary>{children}</Boundary>
      </div>
    </section>
  );
}
