import type { ReactNode } from 'react';
import { words } from '../words/en/parts';
import './Figures.css';

export interface Figure {
  name: string;
  /** Null while it is not known: a dash, never a zero. */
  value: ReactNode;
  unit?: string;
  /** A second line below the value. */
  note?: ReactNode;
  /** A trend beside the value. */
  spark?: ReactNode;
}

/** The five numbers of a page, in a frame. */
export function Figures({ figures }: { figures: readonly Figure[] }) {
  return (
    <dl className="kpis">
      {figures.map((figure) => (
        <div key={figure.name}>
          <dt>{figure.name}</dt>
          <dd className="big">
            <Value figure={figure} />
          </dd>
          {figure.note !== undefined && <dd className="sub">{figure.note ?? '\u00a0'}</dd>}
          {figure.spark && <dd className="spark">{figure.spark}</dd>}
        </div>
      ))}
    </dl>
  );
}

/** The numbers of a section, without a frame. */
export function FigureRow({ figures }: { figures: readonly Figure[] }) {
  return (
    <dl className="figs">
      {figures.map((figure) => (
        <div key={figure.name}>
          <dt>{figure.name}</dt>
          <dd>
            <Value figure={figure} />
          </dd>
        </div>
      ))}
    </dl>
  );
}

function Value({ figure }: { figure: Figure }) {
  if (figure.value === null || figure.value === undefined)
    return <span className="faint">{words.unknown}</span>;
  return (
    <>
      {figure.value} {figure.unit && <small>{figure.unit}</small>}
    </>
  );
}
