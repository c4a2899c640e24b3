// Runs the suites against a real server: TRIGRUN_URL. Names of suites as arguments choose some. The page is served from
// dist/ with the headers that the crate sends. Run it with `npm run e2e`.
import { strict as assert } from 'node:assert';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { openBrowser } from './browser.mjs';
import { serve } from './serve.mjs';
import { PASSWORD, seed, signUp, startTargets } from './world.mjs';

const SUITES = ['first', 'ten', 'trouble', 'roles', 'states', 'shots', 'budgets'];
const SHOTS = process.env.CONSOLE_SHOTS ?? fileURLToPath(new URL('../shots/', import.meta.url));

const api = process.env.TRIGRUN_URL;
assert(api, 'Set TRIGRUN_URL, or run `npm run e2e`.');
const chosen = process.argv.length > 2 ? process.argv.slice(2) : SUITES;
mkdirSync(SHOTS, { recursive: true });

const served = await serve(api);
const targets = await startTargets();
const browser = await openBrowser();
let checks = 0;
let failed = 0;

/** Runs one check; what it returns is printed. It fails, too, if a page did what no page may do. */
async function check(name, page, run) {
  checks += 1;
  const before = browser.failures.length;
  const began = performance.now();
  try {
    const said = await run();
    assert.deepEqual([...new Set(browser.failures.slice(before))], [], 'what no page may do');
    console.log(
      `ok      ${name}${said ? `: ${said}` : ''} (${((performance.now() - began) / 1000).toFixed(1)} s)`,
    );
  } catch (error) {
    failed += 1;
    const focus = await page
      ?.evaluate(() => document.activeElement?.outerHTML.slice(0, 120))
      .catch(() => '?');
    console.log(`FAILED  ${name}\n${error.stack}\n  at ${page?.url()}, focus: ${focus}`);
    await page?.screenshot({ path: `${SHOTS}/failed-${failed}.png` }).catch(() => {});
  }
}

/** Logs in by the form, and returns the page, at the workspace. */
async function logIn(person, options = {}) {
  const page = await browser.newPage(served.url, { provoked: [], ...options });
  page.provoked = new Set(page.provoked);
  await page.goto(`${served.url}/login`);
  await page.getByLabel('E-mail').fill(person.email);
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/w\/ws_/);
  return page;
}

const world = { api, base: served.url, browser, targets, check, logIn, shots: SHOTS };
try {
  // The first visitor needs nothing; all others share a workspace with a past.
  if (chosen.some((name) => name !== 'first')) {
    const owner = await signUp(api, 'Sam', 'Billing');
    Object.assign(world, { owner, workspace: `${served.url}/w/${owner.workspace}` });
    Object.assign(world, await seed(owner, targets));
    const first = await logIn(owner);
    const storageState = await first.context().storageState();
    await first.context().close();
    world.page = async (options = {}) => {
      const page = await browser.newPage(served.url, { provoked: [], storageState, ...options });
      page.provoked = new Set(page.provoked);
      return page;
    };
  }
  for (const name of chosen) {
    console.log(`\n${name}`);
    const { default: suite } = await import(`./${name}.mjs`);
    await suite(world);
  }
} finally {
  await browser.close();
  targets.stop();
  served.stop();
}
console.log(`\n${checks - failed} of ${checks} checks are good.`);
process.exitCode = failed || checks === 0 ? 1 : 0;
