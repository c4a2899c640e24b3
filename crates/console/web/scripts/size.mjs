// Holds the budgets of the page's size: reads Vite's manifest, and fails when a file set is over its limit. All sizes are
// gzip at level 9, in kB of 1,000 bytes.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const MAX_FIRST_VIEW_KB = 140;
const MAX_SCREEN_KB = 25;
const MAX_CSS_KB = 16;
const FIRST_SCREEN = 'src/screens/overview/index.tsx';

const DIST = process.env.CONSOLE_DIST ?? fileURLToPath(new URL('../dist/', import.meta.url));
const manifest = JSON.parse(readFileSync(join(DIST, 'manifest.json'), 'utf8'));
const sizes = new Map();

function sizeKb(file) {
  if (!sizes.has(file)) sizes.set(file, gzipSync(readFileSync(join(DIST, file)), { level: 9 }).length / 1000);
  return sizes.get(file);
}

/** The chunks that a chunk loads with it. */
function closure(key, found = new Set()) {
  if (found.has(key)) return found;
  found.add(key);
  for (const next of manifest[key].imports ?? []) closure(next, found);
  return found;
}

const sum = (files) => [...files].reduce((total, file) => total + sizeKb(file), 0);
const scripts = (keys) => new Set([...keys].map((key) => manifest[key].file));

const [entry] = Object.entries(manifest).find(([, chunk]) => chunk.isEntry);
const first = closure(FIRST_SCREEN, closure(entry));
const rows = [['first view', sum(scripts(first)), MAX_FIRST_VIEW_KB]];
const loaded = scripts(first);
for (const key of manifest[entry].dynamicImports) {
  if (key === FIRST_SCREEN) continue;
  const more = [...scripts(closure(key))].filter((file) => !loaded.has(file));
  rows.push([key.replace(/^src\/screens\/(.+)\/index\.tsx$/, '$1'), sum(more), MAX_SCREEN_KB]);
}
rows.push(['first CSS', sum(new Set([...first].flatMap((key) => manifest[key].css ?? []))), MAX_CSS_KB]);
// Small files compress worse than they would together, and no visit loads all of them: as one file.
const styles = [...new Set(Object.values(manifest).flatMap((chunk) => chunk.css ?? []))];
const allStyles = Buffer.concat(styles.map((file) => readFileSync(join(DIST, file))));
rows.push(['all CSS', gzipSync(allStyles, { level: 9 }).length / 1000, MAX_CSS_KB]);

let isOver = false;
for (const [name, kb, limit] of rows) {
  isOver ||= kb > limit;
  console.log(
    `${kb > limit ? 'OVER ' : 'ok   '} ${name.padEnd(16)} ${kb.toFixed(1).padStart(6)} of ${limit} kB`,
  );
}
if (isOver) {
  console.error('The page is over its budget: load less at once, or remove what is not needed.');
  process.exitCode = 1;
}
