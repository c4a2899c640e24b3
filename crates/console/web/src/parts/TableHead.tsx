import { useEffect, useRef } from 'react';
import { words } from '../words/en/parts';
import { Icon } from './Icon';
import type { Column, Selection } from './Table';

interface Props<Row> {
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  rowKey: (row: Row) => string;
  selection: Selection | undefined;
}

/** The head of a table: it stays while the page scrolls; a column that sorts is a button. */
export function TableHead<Row>({ columns, rows, rowKey, selection }: Props<Row>) {
  return (
    <thead>
      <tr aria-rowindex={1}>
        {selection && (
          <th scope="col" className="x">
            <SelectAll rows={rows} rowKey={rowKey} selection={selection} />
          </th>
        )}
        {columns.map((column) => (
          <th
            key={column.id}
            scope="col"
            className={[column.numeric && 'num', column.className].filter(Boolean).join(' ') || undefined}
            aria-sort={column.onSort ? (column.sorted ?? 'none') : undefined}
          >
            <Head column={column} />
          </th>
        ))}
      </tr>
    </thead>
  );
}

function Head<Row>({ column }: { column: Column<Row> }) {
  if (column.headHidden) return <span className="vh">{column.head}</span>;
  if (!column.onSort) return column.head;
  return (
    <button type="button" className="sort" onClick={column.onSort}>
      {column.head}
      {column.sorted && <Icon name={column.sorted === 'ascending' ? 'up' : 'down'} size={12} />}
    </button>
  );
}

function SelectAll<Row>({
  rows,
  rowKey,
  selection,
}: {
  rows: readonly Row[];
  rowKey: (row: Row) => string;
  selection: Selection;
}) {
  const box = useRef<HTMLInputElement>(null);
  const every = selection.all || (rows.length > 0 && rows.every((row) => selection.keys.has(rowKey(row))));
  const some = !every && selection.keys.size > 0;
  useEffect(() => {
    if (box.current) box.current.indeterminate = some;
  }, [some]);
  return (
    <input
      ref={box}
      className="check"
      type="checkbox"
      aria-label={words.selectAll}
      checked={every}
      onChange={() => (every || some ? selection.onNone() : selection.onSome(rows.map(rowKey)))}
    />
  );
}
