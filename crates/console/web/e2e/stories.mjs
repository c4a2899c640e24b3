// Stories of the console in a real browser, against a real server: TRIGRUN_URL. Without CONSOLE_URL, dist/ is served in
// front of it. Run it with `npm run e2e`.
import { strict as assert } from 'node:assert';
import { createServer } from 'node:http';
import { checkAccessibility, openBrowser } from './browser.mjs';
import { serve } from './serve.mjs';

const API = process.env.TRIGRUN_URL;
assert(API, 'Set TRIGRUN_URL, or run `npm run e2e`.');
const PASSWORD = 'correct horse battery';
const EMAIL = `sam.${Date.now()}@example.com`;

/** A target that fails from the path /fail. */
async function startTarget() {
  const server = createServer((request, response) => {
    response.writeHead(request.url.startsWith('/fail') ? 504 : 200, { 'Content-Type': 'application/json' });
    response.end('{"ok":true}');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${server.address().port}`, stop: () => server.close() };
}

async function call(token, method, path, body) {
  const headers = { 'Content-Type': 'application/json', ...(token && { Authorization: `Bearer ${token}` }) };
  const response = await fetch(API + path, { method, headers, body: body && JSON.stringify(body) });
  const text = await response.text();
  assert(response.ok, `${method} ${path}: ${response.status} ${text}`);
  return text ? JSON.parse(text) : null;
}

const consoleServer = process.env.CONSOLE_URL
  ? { url: process.env.CONSOLE_URL, stop: () => {} }
  : await serve(API);
const BASE = consoleServer.url;
const target = await startTarget();
const browser = await openBrowser();
const page = await browser.newPage(BASE);
let token;
/** The address of the workspace. */
let home;

const visible = (text) => page.getByText(text, { exact: false }).first().waitFor();
const focused = () => page.evaluate(() => document.activeElement?.textContent?.trim().slice(0, 60));
const search = () => new URL(page.url()).search;

/** Sends a form as a patient user does: again, when the server that was too busy has asked for it. */
async function submitUntil(address) {
  for (let attempt = 1; !address.test(page.url()); attempt += 1) {
    assert(attempt < 10, 'the server stays busy');
    const arrived = page.waitForResponse((it) => it.url().endsWith('/v1/auth/signup'));
    await page.getByRole('button', { name: 'Create account' }).press('Enter');
    const response = await arrived;
    const seconds = Number(response.headers()['retry-after'] ?? 0);
    if (response.ok()) await page.waitForURL(address);
    else await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  }
}

async function seed() {
  token = (await call(null, 'POST', '/v1/auth/login', { email: EMAIL, password: PASSWORD })).token;
  const jobs = {};
  for (let n = 1; n <= 30; n += 1) {
    const name = `Job ${String(n).padStart(2, '0')}`;
    const request = { url: `${target.url}/ok/${n}` };
    const tags = n % 2 ? ['odd'] : ['even'];
    jobs[name] = await call(token, 'POST', '/v1/jobs', {
      name,
      tags,
      schedule: { cron: '0 4 * * *' },
      request,
    });
  }
  const failing = await call(token, 'POST', '/v1/jobs', {
    name: 'Zz fails',
    schedule: { cron: '30 2 * * *', timezone: 'Europe/Berlin' },
    request: { url: `${target.url}/ok` },
    retry_policy: { max_attempts: 1 },
  });
  const ended = async () => {
    const run = await call(token, 'POST', `/v1/jobs/${failing.id}/run-now?wait=20`);
    assert(run.finished_at, 'the run has ended');
  };
  await ended();
  await call(token, 'PATCH', `/v1/jobs/${failing.id}`, { request: { url: `${target.url}/fail` } });
  await ended();
  await ended();
  return failing;
}

const stories = {
  async 'signs up by keyboard alone'() {
    await page.goto(`${BASE}/`);
    await page.getByRole('heading', { name: 'Log in to TrigRun' }).waitFor();
    await checkAccessibility(page, 'log-in');
    await page.getByRole('link', { name: 'Sign up' }).press('Enter');
    await page.getByLabel('Your name').waitFor();
    await checkAccessibility(page, 'sign-up');
    for (const text of ['Sam', EMAIL, 'short']) {
      await page.keyboard.type(text);
      await page.keyboard.press('Tab');
    }
    await page.keyboard.press('Enter');
    await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
    await page.getByLabel('Name of your workspace').fill('Billing');
    await submitUntil(/\/w\/ws_/);
    home = page.url();
    await page.getByText('Live').waitFor();
  },

  async 'filters jobs, and the address says how'(failing) {
    await page.keyboard.press('g');
    await page.keyboard.press('j');
    await page.getByRole('link', { name: failing.name }).waitFor();
    await page.keyboard.press('/');
    await page.keyboard.type('tag:odd ');
    await page.waitForFunction(() => location.search === '?tag=odd');
    await page.keyboard.type('job 0');
    await page.waitForFunction(() => new URLSearchParams(location.search).get('q') === 'job 0');
    await page.getByRole('table', { name: 'Jobs. 5 of 5 loaded.' }).waitFor();
    const address = page.url();
    await page.reload();
    await page.getByRole('table', { name: 'Jobs. 5 of 5 loaded.' }).waitFor();
    assert.equal(page.url(), address);
    await page.getByRole('link', { name: 'Paused' }).click();
    await visible('No job has the tag odd, is paused and has “job 0” in its name');
    await checkAccessibility(page, 'jobs without a match');
    await page.getByRole('button', { name: 'Clear all' }).click();
    await page.getByRole('link', { name: failing.name }).waitFor();
    assert.equal(search(), '');
  },

  async 'pauses jobs by keys, and undoes it'(failing) {
    await page.goto(`${home}/jobs`);
    await page.getByRole('link', { name: failing.name }).waitFor();
    await page.locator('#main').focus();
    for (const key of ['j', 'x', 'Shift+X', 'j', 'j', 'Shift+X']) await page.keyboard.press(key);
    await visible('selected');
    await checkAccessibility(page, 'jobs with a selection');
    await page.getByRole('toolbar').getByRole('button', { name: 'Pause' }).click();
    await page.getByText(/^Paused \d jobs\.$/).waitFor();
    const paused = async () => (await call(token, 'GET', '/v1/jobs/counts')).paused;
    assert((await paused()) >= 2);
    await page.keyboard.press('Control+z');
    await page.getByText(/Undone\.$/).waitFor();
    assert.equal(await paused(), 0);
  },

  async 'acts on all that match, loaded or not'() {
    await page.goto(`${home}/jobs?tag=even`);
    await page.getByRole('table', { name: 'Jobs. 15 of 15 loaded.' }).waitFor();
    await page.locator('#main').focus();
    await page.keyboard.press('j');
    await page.keyboard.press('Control+a');
    await visible('All 15 that match');
    await page.getByRole('toolbar').getByRole('button', { name: 'Delete' }).click();
    const dialog = page.getByRole('dialog', { name: 'Delete 15 jobs?' });
    await checkAccessibility(page, 'a question');
    await dialog.getByLabel('Type 15 to confirm').fill('15');
    await page.keyboard.press('Enter');
    await visible('Deleted 15 jobs.');
    assert.equal((await call(token, 'GET', '/v1/jobs/counts?tag=even')).all, 0);
    assert.equal((await call(token, 'GET', '/v1/jobs/counts?tag=odd')).all, 15);
  },

  async 'says what changed before a job failed, and restores it'(failing) {
    await page.goto(`${home}/jobs/${failing.id}`);
    await visible('2 runs in a row have failed.');
    await visible('The run before it succeeded.');
    await checkAccessibility(page, 'a job');
    await page.getByRole('link', { name: 'Compare v1 and v2' }).click();
    const dialog = page.getByRole('dialog', { name: 'Version 1 and version 2' });
    await dialog.getByRole('button', { name: 'Restore v1' }).click();
    await visible('Restored version 1.');
    assert.equal((await call(token, 'GET', `/v1/jobs/${failing.id}`)).request.url, `${target.url}/ok`);
    await page.getByText('v3', { exact: true }).first().waitFor();
    await checkAccessibility(page, 'the definition of a job');
  },

  async 'shows a run without a reload, and says why there was none'(failing) {
    await page.goto(`${home}/jobs/${failing.id}`);
    await page.getByRole('heading', { name: failing.name }).waitFor();
    await page.getByRole('button', { name: 'Run now' }).waitFor();
    await page.keyboard.press('r');
    await visible(`Started a run of ${failing.name}.`);
    await page.waitForFunction(() => document.querySelectorAll('.latest tbody tr').length === 4);
    await page.keyboard.press('w');
    await page.waitForFunction(() => document.activeElement?.id === 'why-at');
    await page.getByRole('button', { name: 'Ask' }).click();
    await visible('It was not due.');
    for (const tab of ['Runs', 'Alerts', 'Ledger']) {
      await page.locator('.tabs').getByRole('link', { name: tab }).click();
      await page.waitForURL(new RegExp(`/${tab.toLowerCase()}`));
      await page.waitForLoadState('networkidle');
      await checkAccessibility(page, `the tab ${tab}`);
    }
  },

  async 'asks to log in again in the middle, and sends the request again'(failing) {
    await page.goto(`${home}/jobs/${failing.id}`);
    await page.getByRole('button', { name: 'Pause' }).waitFor();
    await call(token, 'DELETE', '/v1/sessions');
    await page.keyboard.press('p');
    const dialog = page.getByRole('dialog', { name: 'Log in to continue' });
    await dialog.waitFor();
    await checkAccessibility(page, 'log-in over a page');
    await dialog.getByLabel('Password').fill('wrong password');
    await page.keyboard.press('Enter');
    await dialog.getByText('wrong', { exact: false }).waitFor();
    await dialog.getByLabel('Password').fill(PASSWORD);
    await page.keyboard.press('Enter');
    await visible(`Paused ${failing.name}.`);
    await dialog.waitFor({ state: 'hidden' });
    await page.getByRole('button', { name: 'Resume' }).waitFor();
    assert.equal((await call(token, 'GET', `/v1/jobs/${failing.id}`)).state, 'paused');
  },

  async 'finds everything from the palette'(failing) {
    await page.goto(`${home}/jobs`);
    await page.getByRole('link', { name: failing.name }).waitFor();
    await page.keyboard.press('Control+k');
    await page.getByRole('combobox', { name: 'Search or run a command' }).waitFor();
    await checkAccessibility(page, 'the palette');
    await page.keyboard.type('zz f');
    await page.getByRole('option', { name: failing.name }).waitFor();
    await page.keyboard.press('Escape');
    await page.keyboard.press('Control+k');
    await page.keyboard.type('job 0');
    await page.getByRole('option', { name: 'Job 01' }).waitFor();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: /^Job 0/ }).waitFor();
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor();
    await checkAccessibility(page, 'the shortcuts');
    await page.keyboard.press('Escape');
  },

  async 'works on a phone, and logs out'() {
    await page.setViewportSize({ width: 390, height: 844 });
    await page.goto(`${home}/members`);
    await page.getByRole('heading', { level: 1 }).waitFor();
    await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Jobs' }).click();
    await page.getByRole('table').waitFor();
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert(overflow <= 0, `the page is ${overflow} px too wide`);
    await checkAccessibility(page, 'jobs on a phone');
    await page.getByRole('button', { name: 'More', exact: true }).click();
    const dialog = page.getByRole('dialog', { name: 'Pages' });
    await checkAccessibility(page, 'the pages on a phone');
    await dialog.getByRole('button', { name: 'Log out' }).click();
    await page.getByRole('heading', { name: 'Log in to TrigRun' }).waitFor();
    await page.goBack();
    await page.getByRole('heading', { name: 'Log in to TrigRun' }).waitFor();
  },
};

let failing;
let failed = 0;
for (const [name, story] of Object.entries(stories)) {
  const before = browser.failures.length;
  try {
    await story(failing);
    assert.deepEqual(browser.failures.slice(before), []);
    failing ??= await seed();
    console.log(`ok      ${name}`);
  } catch (error) {
    failed += 1;
    console.log(
      `FAILED  ${name}\n${error.stack}\n  at ${page.url()}, focus: ${await focused().catch(() => '?')}`,
    );
    await page.screenshot({ path: `/tmp/console-e2e-${failed}.png` }).catch(() => {});
    if (!failing) break;
  }
}
await browser.close();
target.stop();
consoleServer.stop();
process.exitCode = failed ? 1 : 0;
