import { useMemo, useState } from 'react';
import { Strip } from '../../charts/Strip';
import { Section } from '../../parts/Section';
import { Status } from '../../parts/Status';
import { Table } from '../../parts/Table';
import { Tag } from '../../parts/Tag';
import { useSelection } from '../../parts/useSelection';
import { someRuns } from './samples';

interface Row {
  id: string;
  name: string;
}

/** 10,000 rows, of which some sixty are in the document. */
export function TableStates() {
  const rows = useMemo<Row[]>(
    () => Array.from({ length: 10_000 }, (_, n) => ({ id: `job_${n}`, name: `Job number ${n}` })),
    [],
  );
  const order = useMemo(() => rows.map((row) => row.id), [rows]);
  const selection = useSelection(order, true);
  const [opened, setOpened] = useState('');
  return (
    <Section title="Table" end={<span className="dim small">{opened}</span>}>
      <Table
        main
        label="Ten thousand jobs"
        className="jobs"
        rows={rows}
        rowKey={(row) => row.id}
        rowName={(row) => row.name}
        selection={selection}
        onOpen={(row) => setOpened(row.name)}
        columns={[
          {
            id: 'name',
            head: 'Job',
            names: true,
            sorted: 'ascending',
            onSort: () => undefined,
            cell: (row) => (
              <div className="two">
                <span>
                  <a className="row-link" href="#main">
                    {row.name}
                  </a>{' '}
                  <Tag>billing</Tag>
                </span>
                <small>POST ledger.example.com/v1/invoices</small>
              </div>
            ),
          },
          {
            id: 'runs',
            head: 'Last 30 runs',
            className: 'w-strip',
            cell: (row) => <Strip runs={someRuns(30, row.id.length)} places={30} />,
          },
          { id: 'rate', head: '7 days', numeric: true, className: 'w-rate', cell: () => '99.6%' },
          {
            id: 'last',
            head: 'Last run',
            className: 'w-last',
            cell: () => <Status glyph="bad">refused</Status>,
          },
        ]}
      />
    </Section>
  );
}
