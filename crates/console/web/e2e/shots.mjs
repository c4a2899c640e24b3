// Pictures of the main screens: two themes, two widths. They are checked for what no picture shows: a shift of what is
// there already, and an element that is wider than the window. compare.html shows them beside those of a directory.
import { strict as assert } from 'node:assert';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { overflow, settled } from './browser.mjs';
import { addressOf, pages, someRuns } from './pages.mjs';

const SCREENS = ['overview', 'jobs', 'job', 'editor', 'import', 'runs', 'run', 'load', 'hosts'];
const WIDTHS = [1440, 390];
const HEIGHTS = { 1440: 900, 390: 844 };
const THEMES = ['light', 'dark'];
/** What Chromium calls good. The goal is 0, and what is reached is printed: it depends on the order of the responses. */
const MAX_SHIFT = 0.1;

export default async function shots(world) {
  const { owner, check, page: openPage, shots: directory } = world;
  const runs = await someRuns(owner);
  const all = new Map(pages({ ...world, runs: { failed: runs.retried } }));
  for (const width of WIDTHS) {
    for (const colorScheme of THEMES) {
      const viewport = { width, height: HEIGHTS[width] };
      const page = await openPage({ viewport, colorScheme, reducedMotion: 'reduce' });
      await page.addInitScript(observeShifts);
      for (const name of SCREENS) {
        await check(`${name}, ${colorScheme}, ${width} px`, page, async () => {
          await page.goto(addressOf(world, all.get(name)));
          await settled(page);
          if (name === 'import') {
            await page.getByRole('button', { name: 'a curl command' }).click();
            await page.getByRole('button', { name: 'Create job' }).waitFor();
          }
          await page.screenshot({
            path: join(directory, `${name}-${width}-${colorScheme}.png`),
          });
          assert.deepEqual(await overflow(page), [], 'nothing is wider than the window');
          const shifts = await page.evaluate(() => globalThis.shifts);
          const sum = shifts.reduce((total, shift) => total + shift.value, 0);
          assert(sum <= MAX_SHIFT, `what is there moves by ${sum.toFixed(4)}: ${JSON.stringify(shifts)}`);
          return `shift ${sum.toFixed(3)}`;
        });
      }
      await page.context().close();
    }
  }
  compare(directory, process.env.CONSOLE_COMPARE);
}

function observeShifts() {
  globalThis.shifts = [];
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      if (entry.hadRecentInput) continue;
      const nodes = entry.sources.map(({ node }) => `${node?.nodeName}.${node?.className ?? ''}`);
      globalThis.shifts.push({
        value: entry.value,
        nodes: nodes.slice(0, 3),
        at: Math.round(entry.startTime),
      });
    }
  }).observe({ type: 'layout-shift', buffered: true });
}

/** Writes a page with each picture beside the one of the same name in another directory. */
function compare(directory, other) {
  if (!other || !existsSync(other)) return;
  const others = readdirSync(other).filter((name) => name.endsWith('.png'));
  const rows = readdirSync(directory)
    .filter((name) => name.endsWith('.png'))
    .map((name) => {
      const match = others.find((it) => name.startsWith(it.replace(/-(390-)?(light|dark)\.png$/, '')));
      const second = match ? `<img src="file://${join(other, match)}">` : '<p>none</p>';
      return `<section><h2>${name}</h2><img src="${name}">${second}</section>`;
    });
  const style =
    'section{display:grid;grid-template-columns:1fr 1fr;gap:1rem}h2{grid-column:1/-1}img{width:100%}';
  writeFileSync(join(directory, 'compare.html'), `<!doctype html><style>${style}</style>${rows.join('')}`);
}
