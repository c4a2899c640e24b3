/** Commands for a shell, as text to copy. */

const SAFE = /^[A-Za-z0-9_@%+=:,./-]+$/;

/** A word that a POSIX shell reads as exactly this text. */
export function quoted(text: string): string {
  return SAFE.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** A command with its options, each on a line of its own where one line would be long. */
export function command(start: string, options: readonly string[]): string {
  const line = [start, ...options].join(' ');
  return line.length <= MAX_LINE && !line.includes('\n') ? line : [start, ...options].join(' \\\n  ');
}

const MAX_LINE = 88;
