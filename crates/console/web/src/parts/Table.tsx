import { type ReactNode, useEffect, useRef } from 'react';
import { words } from '../words/en/parts';
import { Bars } from './Loading';
import { TableHead } from './TableHead';
import { type Selection, type TableKeys, useTableKeys } from './tableKeys';
import { useWindowing } from './useWindowing';
import './Table.css';

export type { Selection } from './tableKeys';

export interface Column<Row> {
  id: string;
  head: ReactNode;
  /** The head is for assistive technology only. */
  headHidden?: boolean;
  cell: (row: Row, index: number) => ReactNode;
  /** A class of the column, which sets its width. */
  className?: string;
  numeric?: boolean;
  /** It names the row; one column does. */
  names?: boolean;
  sorted?: 'ascending' | 'descending';
  onSort?: () => void;
}

export interface TableProps<Row> extends TableKeys<Row> {
  /** What the table holds, for assistive technology. */
  label: string;
  columns: readonly Column<Row>[];
  /** All rows, if they are not all here: the count of the whole list, or -1 if it is not known. */
  total?: number;
  compact?: boolean;
  className?: string;
  rowClass?: (row: Row) => string | undefined;
  /** The row that is chosen, where rows are chosen by one. */
  chosen?: string;
  /** The end is near: load more. */
  onNearEnd?: () => void;
  /** More rows are being loaded. */
  loadingMore?: boolean;
  /** Below the last row, in place of rows: `Blank` or an error. */
  blank?: ReactNode;
}

const NEAR_END = 0.7;

/** Rows and columns: windowed, with a sticky head, a selection, and keys. Rows have one fixed height. */
export function Table<Row>(props: TableProps<Row>) {
  const {
    label,
    columns,
    rows,
    rowKey,
    total,
    compact,
    className,
    selection,
    onNearEnd,
    loadingMore,
    blank,
  } = props;
  const body = useRef<HTMLTableSectionElement>(null);
  const { start, end, rowHeight } = useWindowing(body, rows.length);
  const { active, onKeyDown, onRowFocus } = useTableKeys(props, body);
  const nearEnd = rows.length > 0 && end >= rows.length * NEAR_END;
  useEffect(() => {
    if (nearEnd) onNearEnd?.();
  }, [nearEnd, onNearEnd]);
  const names = ['tbl', compact && 'compact', className].filter(Boolean).join(' ');
  const span = columns.length + (selection ? 1 : 0);
  const shown = rows.slice(start, end);
  const stop = active >= start && active < end ? active : start;
  return (
    <>
      <table className={names} aria-rowcount={(total ?? rows.length) < 0 ? -1 : (total ?? rows.length) + 1}>
        <caption className="vh">{label}</caption>
        <colgroup>
          {selection && <col className="w-x" />}
          {columns.map((column) => (
            <col key={column.id} className={column.className} />
          ))}
        </colgroup>
        <TableHead columns={columns} rows={rows} rowKey={rowKey} selection={selection} />
        <tbody ref={body} onKeyDown={onKeyDown} onFocus={onRowFocus}>
          <Pad height={start * rowHeight} span={span} />
          {shown.map((row, index) => (
            <TableRow
              key={rowKey(row)}
              table={props}
              row={row}
              index={start + index}
              tabStop={start + index === stop}
            />
          ))}
          <Pad height={(rows.length - end) * rowHeight} span={span} />
        </tbody>
      </table>
      {rows.length === 0 && blank}
      {loadingMore && <Bars rows={2} compact={compact} />}
    </>
  );
}

function Pad({ height, span }: { height: number; span: number }) {
  if (height <= 0) return null;
  return (
    // biome-ignore lint/a11y/noAriaHiddenOnFocusable: a space takes no focus
    <tr className="pad" aria-hidden="true">
      <td colSpan={span} style={{ height: `${height}px` }} />
    </tr>
  );
}

interface RowProps<Row> {
  table: TableProps<Row>;
  row: Row;
  index: number;
  tabStop: boolean;
}

function TableRow<Row>({ table, row, index, tabStop }: RowProps<Row>) {
  const { columns, rowKey, selection, chosen, rowClass } = table;
  const key = rowKey(row);
  const selected = selection ? isSelected(selection, key) : chosen === undefined ? undefined : chosen === key;
  return (
    <tr
      data-row={index}
      aria-rowindex={index + 2}
      aria-selected={selected || undefined}
      tabIndex={tabStop ? 0 : -1}
      className={rowClass?.(row)}
      onDoubleClick={() => table.onOpen?.(row)}
    >
      {selection && (
        <td className="x">
          <input
            className="check"
            type="checkbox"
            tabIndex={-1}
            aria-label={words.selectRow(table.rowName(row))}
            checked={selected ?? false}
            onClick={(event) => selection.onToggle(key, event.shiftKey)}
            readOnly
          />
        </td>
      )}
      {columns.map((column) => {
        const inside = column.cell(row, index);
        const classes = [column.numeric && 'num', column.className].filter(Boolean).join(' ') || undefined;
        return column.names ? (
          <th key={column.id} scope="row" className={classes}>
            {inside}
          </th>
        ) : (
          <td key={column.id} className={classes}>
            {inside}
          </td>
        );
      })}
    </tr>
  );
}

function isSelected(selection: Selection, key: string): boolean {
  return selection.all || selection.keys.has(key);
}
