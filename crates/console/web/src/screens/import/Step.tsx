import type { ReactNode } from 'react';
import { Icon } from '../../parts/Icon';

interface Props {
  number: number;
  state: 'done' | 'on' | 'later';
  title: string;
  titleHidden?: boolean;
  children: ReactNode;
}

/** One of the steps: its number, or a check where nothing is left to decide. */
export function Step({ number, state, title, titleHidden, children }: Props) {
  return (
    <li className={state === 'later' ? 'step' : `step ${state}`}>
      <span className="no" aria-hidden="true">
        {state === 'done' ? <Icon name="check" size={14} /> : number}
      </span>
      <div>
        <h2 className={titleHidden ? 'vh' : undefined}>{title}</h2>
        {children}
      </div>
    </li>
  );
}
