import type { ReactNode } from 'react';
import './configure.css';

interface Props {
  title: ReactNode;
  /** One or two sentences: what these things are for. */
  children?: ReactNode;
  /** Buttons at the end. */
  end?: ReactNode;
}

/** The head of a screen that configures the workspace. */
export function Head({ title, children, end }: Props) {
  return (
    <div className="titlebar">
      <div>
        <h1>{title}</h1>
        {children && <p>{children}</p>}
      </div>
      {end && <div className="btns">{end}</div>}
    </div>
  );
}
