import type { ReactNode } from 'react';

/** A label at the start, and its controls. They name themselves: the label is for the eye. */
export function Row({ label, changed, children }: { label: string; changed?: boolean; children: ReactNode }) {
  return (
    <>
      <span className={changed ? 'label is-changed' : 'label'} aria-hidden="true">
        {label}
      </span>
      <div className="btns">{children}</div>
    </>
  );
}
