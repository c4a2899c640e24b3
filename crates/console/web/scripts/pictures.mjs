// Makes the pictures of docs/console.md and the README, of a system with the demo's workspace at TRIGRUN_URL: see `make console-pictures`.
// Needs pngquant, which reduces their colours.
import { strict as assert } from 'node:assert';
import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { openBrowser, settled } from '../e2e/browser.mjs';

const MAX_KB = 150;
const VIEWPORT = { width: 1280, height: 860 };
// As `trigrun-dev run --demo` creates them.
const [EMAIL, PASSWORD] = ['demo@example.com', 'correct horse battery'];

const api = process.env.TRIGRUN_URL;
assert(api, 'Set TRIGRUN_URL, or run `make console-pictures`.');
const browser = await openBrowser();
try {
  for (const colorScheme of ['light', 'dark']) {
    const page = await browser.newPage(api, {
      viewport: VIEWPORT,
      colorScheme,
      reducedMotion: 'reduce',
    });
    await page.goto(`${api}/login`);
    await page.getByLabel('E-mail').fill(EMAIL);
    await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/w\/ws_/);
    await page.getByRole('heading', { level: 1, name: 'jobs are failing' }).waitFor();
    await settled(page);
    // The focus stands where the page begins; a picture shows none.
    await page.evaluate(() => document.activeElement?.blur());
    const file = fileURLToPath(
      new URL(`../../../../docs/images/console-${colorScheme}.png`, import.meta.url),
    );
    await page.screenshot({ path: file });
    execFileSync('pngquant', ['--force', '--strip', '--speed', '1', '--output', file, '64', file]);
    const kb = statSync(file).size / 1000;
    assert(kb <= MAX_KB, `${file} has ${kb} kB`);
    console.log(`${file}: ${kb.toFixed(0)} kB`);
    await page.context().close();
  }
} finally {
  await browser.close();
}
