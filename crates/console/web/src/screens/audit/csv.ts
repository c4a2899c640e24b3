import type { AuditEntry } from '../../api/queries/audit';

const COLUMNS: readonly [name: string, of: (entry: AuditEntry) => string | null][] = [
  ['id', (it) => it.id],
  ['created_at', (it) => it.created_at],
  ['actor_type', (it) => it.actor.type],
  ['actor_id', (it) => it.actor.id],
  ['actor_name', (it) => it.actor.name],
  ['action', (it) => it.action],
  ['target_id', (it) => it.target.id],
  ['target_name', (it) => it.target.name],
  ['details', (it) => JSON.stringify(it.details)],
  ['address', (it) => it.address],
  ['request_id', (it) => it.request_id],
];

/** The entries as CSV (RFC 4180), with the names of the API. */
export function toCsv(entries: readonly AuditEntry[]): string {
  const rows = entries.map((entry) => COLUMNS.map(([, of]) => cell(of(entry) ?? '')).join(','));
  return [COLUMNS.map(([name]) => name).join(','), ...rows, ''].join('\r\n');
}

// Names are free text: a spreadsheet would take one that begins with these characters for a formula.
function cell(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Saves the entries as a file. */
export function downloadCsv(entries: readonly AuditEntry[]): void {
  const url = URL.createObjectURL(new Blob([toCsv(entries)], { type: 'text/csv' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = 'trigrun-audit-log.csv';
  link.click();
  URL.revokeObjectURL(url);
}
