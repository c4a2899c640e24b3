// The parts by their keys, and axe over all their states, in a real browser on the page /parts, which only a build for
// development has.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

process.env.NODE_ENV = 'development';
const dist = mkdtempSync(join(tmpdir(), 'trigrun-parts-'));
process.env.CONSOLE_DIST = dist;
const root = fileURLToPath(new URL('..', import.meta.url));
await build({ root, mode: 'development', logLevel: 'error', build: { outDir: dist, emptyOutDir: true } });
const { serve } = await import('./serve.mjs');
const { checkAccessibility, openBrowser, overflow } = await import('./browser.mjs');

// The page of parts asks for no data: no server stands behind it.
const site = await serve('http://127.0.0.1:9');
const browser = await openBrowser();
const page = await browser.newPage(site.url);
let failed = 0;

/** Runs one check on a page that was loaded for it. */
async function check(name, run) {
  try {
    await page.goto(`${site.url}/parts`);
    await page.getByRole('heading', { name: 'Parts', exact: true }).waitFor();
    await run();
    console.log(`ok     ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`failed ${name}\n${error.stack}`);
  }
}

const focused = () => page.evaluate(() => document.activeElement?.textContent?.trim() ?? '');
const focusedRow = () => page.evaluate(() => document.activeElement?.closest('[data-row]')?.dataset.row);

for (const width of [1440, 390]) {
  await check(`axe and overflow, ${width} px`, async () => {
    await page.setViewportSize({ width, height: 900 });
    await checkAccessibility(page, `${width} px`);
    assert.deepEqual(await overflow(page), []);
  });
}
await page.setViewportSize({ width: 1440, height: 900 });

await check('menu: arrows, first letters, refusals, Escape', async () => {
  const button = page.getByRole('button', { name: 'All hosts' });
  await button.focus();
  await page.keyboard.press('ArrowDown');
  assert.equal(await focused(), 'All hosts');
  await page.keyboard.press('a');
  assert.match(await focused(), /^api\.example\.com/);
  await page.keyboard.press('End');
  assert.match(await focused(), /Members cannot delete jobs/);
  await page.keyboard.press('Enter');
  assert.ok(await page.getByRole('menu').isVisible(), 'what is refused does nothing');
  await page.keyboard.press('ArrowDown');
  assert.equal(await focused(), 'All hosts');
  await page.keyboard.press('Escape');
  assert.equal(await page.getByRole('menu').count(), 0);
  assert.equal(await button.evaluate((node) => node === document.activeElement), true);
});

await check('button: a refusal can be focused and says why', async () => {
  const button = page.locator('button[data-refused]').first();
  await button.focus();
  assert.equal(await button.getAttribute('aria-disabled'), 'true');
  const id = await button.getAttribute('aria-describedby');
  assert.equal(await page.locator(`[id="${id}"]`).textContent(), 'Members cannot delete jobs.');
});

await check('choice: arrows choose, and pass over what is refused', async () => {
  const group = page.getByRole('radiogroup', { name: 'Period' });
  await group.getByRole('radio', { checked: true }).focus();
  await page.keyboard.press('ArrowRight');
  assert.equal(await focused(), '7 d');
  await page.keyboard.press('ArrowRight');
  assert.equal(await focused(), '1 h');
  assert.equal(await group.getByRole('radio', { checked: true }).textContent(), '1 h');
});

await check('tabs: arrows, Home, End', async () => {
  await page.getByRole('tab', { name: 'Response' }).focus();
  await page.keyboard.press('ArrowRight');
  assert.equal(await page.getByRole('tabpanel').textContent(), 'headers');
  await page.keyboard.press('Home');
  assert.equal(await page.getByRole('tabpanel').textContent(), 'response');
  await page.keyboard.press('End');
  assert.equal(await page.getByRole('tab', { selected: true }).textContent(), 'Headers11');
});

await check('combobox: what is typed narrows, Enter chooses, Escape takes back', async () => {
  const field = page.getByRole('combobox', { name: 'Time zone' });
  const options = page.getByRole('listbox', { name: 'Time zone' }).getByRole('option');
  await field.fill('new york');
  assert.deepEqual(await options.allTextContents(), ['America/New_York']);
  await page.keyboard.press('Enter');
  assert.equal(await field.inputValue(), 'America/New_York');
  await field.fill('nowhere');
  assert.deepEqual(await options.allTextContents(), ['No matches']);
  await page.keyboard.press('Escape');
  assert.equal(await field.inputValue(), 'America/New_York');
});

await check('filter: / focuses, keys and values complete, Backspace drops the last chip', async () => {
  await page.keyboard.press('/');
  await page.keyboard.type('ta');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await page.keyboard.type('mon');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  assert.deepEqual(await page.locator('.query .chip').allTextContents(), [
    'host:api.example.com',
    'tag:money',
  ]);
  await page.keyboard.press('Backspace');
  assert.deepEqual(await page.locator('.query .chip').allTextContents(), ['host:api.example.com']);
  await page.keyboard.type('state:paused ');
  assert.deepEqual(await page.locator('.query .chip').allTextContents(), [
    'host:api.example.com',
    'state:paused',
  ]);
});

await check('cron: a paste fills all fields, arrows and spaces move on', async () => {
  const field = page.getByRole('group', { name: 'Cron expression' }).first();
  const values = () =>
    field.getByRole('textbox').evaluateAll((inputs) => inputs.map((it) => it.value).join(' '));
  await field.getByRole('textbox', { name: 'minute' }).focus();
  await page.evaluate(() => {
    const data = new DataTransfer();
    data.setData('text', ' */15  8-18 * * MON-FRI ');
    document.activeElement.dispatchEvent(
      new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }),
    );
  });
  assert.equal(await values(), '*/15 8-18 * * MON-FRI');
  await page.keyboard.press('Control+a');
  await page.keyboard.type('5 6');
  assert.equal(await values(), '5 6 * * MON-FRI');
});

await check('dialog: the focus is inside, typing is asked for, Escape closes', async () => {
  await page.getByRole('button', { name: 'Delete', exact: true }).last().click();
  const confirm = page.getByRole('button', { name: /^Delete 12 jobs/ });
  assert.equal(await confirm.getAttribute('aria-disabled'), 'true');
  await page.keyboard.type('12');
  assert.equal(await confirm.getAttribute('aria-disabled'), null);
  await page.keyboard.press('Escape');
  assert.equal(await page.getByRole('dialog').count(), 0);
});

await check('toast: the command key and Z undo the last', async () => {
  await page.getByRole('button', { name: 'Toast' }).click();
  await page.locator('.toast', { hasText: 'Paused 3 jobs.' }).waitFor();
  await page.keyboard.press('Control+z');
  await page.locator('.toast', { hasText: 'Undone.' }).waitFor();
});

await check('timeline: arrows read, T turns it into a table and back, the focus stays', async () => {
  const chart = page.getByRole('group', { name: 'Runs, past and upcoming' });
  await chart.focus();
  await page.keyboard.press('t');
  assert.equal(await chart.getByRole('row').count(), 97);
  assert.equal(await chart.evaluate((node) => node === document.activeElement), true);
  await page.keyboard.press('t');
  assert.equal(await chart.getByRole('row').count(), 0);
});

await check('heat: one tab stop, arrows move and choose', async () => {
  const grid = page.getByRole('grid');
  assert.equal(await grid.locator('[tabindex="0"]').count(), 1);
  await grid.locator('[tabindex="0"]').focus();
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowDown');
  assert.match(await grid.locator('[aria-selected="true"]').getAttribute('aria-label'), /^day 2, 3:00/);
  assert.equal(await grid.locator('[tabindex="0"]').count(), 1);
});

await check('table: sixty of 10,000 rows, J K X ⇧X Enter End, one tab stop', async () => {
  const table = page.getByRole('table', { name: 'Ten thousand jobs' });
  const rows = table.locator('[data-row]');
  await page.getByRole('heading', { name: 'Table', exact: true }).scrollIntoViewIfNeeded();
  assert.equal(await table.getAttribute('aria-rowcount'), '10001');
  assert.ok((await rows.count()) <= 60, `${await rows.count()} rows are in the document`);
  assert.equal(await table.locator('tr[tabindex="0"]').count(), 1);
  await table.locator('tr[tabindex="0"]').focus();
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  await page.keyboard.press('k');
  assert.equal(await focusedRow(), '1');
  await page.keyboard.press('x');
  for (let n = 0; n < 3; n += 1) await page.keyboard.press('j');
  await page.keyboard.press('Shift+X');
  assert.equal(await table.locator('tr[aria-selected="true"]').count(), 4);
  await page.keyboard.press('Enter');
  await page.getByText('Job number 4', { exact: true }).first().waitFor();
  await page.keyboard.press('Escape');
  assert.equal(await table.locator('tr[aria-selected="true"]').count(), 0);
  await page.keyboard.press('End');
  await page.waitForFunction(() => document.activeElement?.closest('[data-row]')?.dataset.row === '9999');
  assert.ok((await rows.count()) <= 60, `${await rows.count()} rows are in the document`);
  await page.keyboard.press('Control+a');
  assert.equal(await table.locator('tr[data-row]:not([aria-selected="true"])').count(), 0);
});

const violations = browser.failures.filter((it) =>
  /Content Security Policy|Trusted|foreign request/.test(it),
);
for (const it of violations) console.log(`failed ${it}`);
await browser.close();
site.stop();
rmSync(dist, { recursive: true, force: true });
process.exit(failed + violations.length > 0 ? 1 : 0);
