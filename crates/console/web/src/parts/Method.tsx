import './Tag.css';

/** The verb of a request. */
export function Method({ children }: { children: string }) {
  return <span className="method">{children}</span>;
}
