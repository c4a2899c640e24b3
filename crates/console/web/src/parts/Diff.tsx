import { words } from '../words/en/parts';
import { Choice } from './Choice';
import './Diff.css';

export interface Change {
  /** The field, as a JSON pointer or as words. */
  field: string;
  /** Undefined where the field was not there. */
  before: string | undefined;
  after: string | undefined;
}

/** One change in one line. */
export function DiffLine({ change }: { change: Change }) {
  return (
    <span className="diff">
      <span className="faint">{change.field}</span>
      {change.before === undefined ? (
        <span className="faint">{words.added}</span>
      ) : (
        <del>{change.before}</del>
      )}
      {change.before !== undefined && <span aria-hidden="true">→</span>}
      {change.after === undefined ? (
        <span className="faint">{words.removed}</span>
      ) : (
        <ins>{change.after}</ins>
      )}
    </span>
  );
}

interface Props {
  changes: readonly Change[];
  /** The heads of the two sides, such as *v7* and *v8*. */
  before?: string;
  after?: string;
  /** For a conflict: which side of each field is kept. */
  choice?: {
    kept: (field: string) => 'before' | 'after';
    onKeep: (field: string, side: 'before' | 'after') => void;
  };
}

/** Field by field, before and after; in a conflict, with a choice for each field. */
export function Diff({ changes, before = words.before, after = words.after, choice }: Props) {
  return (
    <table className="tbl diff-table">
      <thead>
        <tr>
          <th scope="col">
            <span className="vh">{words.changed}</span>
          </th>
          <th scope="col">{before}</th>
          <th scope="col">{after}</th>
          {choice && (
            <th scope="col">
              <span className="vh">{words.keep('')}</span>
            </th>
          )}
        </tr>
      </thead>
      <tbody>
        {changes.map((change) => (
          <tr key={change.field}>
            <th scope="row">
              <code>{change.field}</code>
            </th>
            <td>
              {change.before === undefined ? (
                <span className="faint">{words.unknown}</span>
              ) : (
                <del>{change.before}</del>
              )}
            </td>
            <td>
              {change.after === undefined ? (
                <span className="faint">{words.unknown}</span>
              ) : (
                <ins>{change.after}</ins>
              )}
            </td>
            {choice && (
              <td>
                <Choice
                  label={words.keep(change.field)}
                  value={choice.kept(change.field)}
                  options={[
                    { value: 'before', label: before },
                    { value: 'after', label: after },
                  ]}
                  onChange={(side) => choice.onKeep(change.field, side)}
                />
              </td>
            )}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
