// What goes wrong: a session that ends, a server that stops and comes back, and the answers 412, 422 and 429.
import { strict as assert } from 'node:assert';
import { settled } from './browser.mjs';
import { serve } from './serve.mjs';
import { PASSWORD, signUp, until } from './world.mjs';

const MAX_WRONG_PASSWORDS = 40;

export default async function trouble(world) {
  const { owner, workspace, jobs, check, logIn, page: openPage } = world;
  const see = (page, text) => page.getByText(text, { exact: false }).first().waitFor();
  const job = jobs['Send invoices'];

  const page = await logIn(owner, { provoked: [401, 403, 412, 422] });
  await check('A session that ends in the middle: log in, and the request is sent again', page, async () => {
    await page.goto(`${workspace}/jobs/${job.id}/edit`);
    await page.getByRole('textbox', { name: 'minute' }).fill('17');
    await see(page, '1 change to v');
    // Ends the sessions of all browsers, but not that of the test.
    await owner.call('DELETE', '/v1/sessions');
    await page.keyboard.press('ControlOrMeta+Enter');
    const dialog = page.getByRole('dialog', { name: 'Log in to continue' });
    await dialog.getByLabel('Password').fill(PASSWORD);
    await page.keyboard.press('Enter');
    await see(page, `Saved ${job.name} as v`);
    assert.equal((await owner.call('GET', `/v1/jobs/${job.id}`)).schedule.cron, '17 9 * * 1-5');
  });

  await check('412: both versions, and neither is lost', page, async () => {
    await page.goto(`${workspace}/jobs/${job.id}/edit`);
    await page.getByRole('textbox', { name: 'minute' }).fill('23');
    await see(page, '1 change to v');
    await owner.call('PATCH', `/v1/jobs/${job.id}`, {
      schedule: { cron: '45 9 * * 1-5', timezone: 'Europe/Berlin' },
    });
    await page.keyboard.press('ControlOrMeta+Enter');
    const dialog = page.getByRole('dialog', { name: /was saved while you edited/ });
    await dialog.getByRole('button', { name: /^Save as v/ }).click();
    await see(page, `Saved ${job.name} as v`);
    assert.equal((await owner.call('GET', `/v1/jobs/${job.id}`)).schedule.cron, '23 9 * * 1-5');
  });

  await check('422: the error stands at its field, which has the focus', page, async () => {
    await page.goto(`${workspace}/jobs/new`);
    await page.getByRole('textbox', { name: 'Name', exact: true }).fill('No such place');
    await page.getByRole('textbox', { name: 'URL' }).fill('ftp://example.com/');
    await page.keyboard.press('ControlOrMeta+Enter');
    const field = page.locator('[aria-invalid="true"]').first();
    await field.waitFor();
    await until('the focus at the first error', () =>
      page.evaluate(() => document.activeElement?.getAttribute('aria-invalid') === 'true'),
    );
    const described = await field.getAttribute('aria-describedby');
    assert(described, 'the field names its error');
  });
  await page.context().close();

  await check('429: the log-in says how long to wait', null, async () => {
    const victim = await signUp(world.api, 'Vic', 'Elsewhere');
    const door = await world.browser.newPage(world.base, { provoked: [] });
    door.provoked = new Set([401, 429]);
    await door.goto(`${world.base}/login`);
    await door.getByLabel('E-mail').fill(victim.email);
    const waiting = door.getByText(/Try again in \d+ second|Too many/).first();
    let tries = 0;
    for (; tries < MAX_WRONG_PASSWORDS && !(await waiting.isVisible()); tries += 1) {
      const answer = door.waitForResponse((response) => response.url().endsWith('/v1/auth/login'));
      await door.getByLabel('Password', { exact: true }).fill(`wrong password ${tries}`);
      await door.getByLabel('Password', { exact: true }).press('Enter');
      if ((await answer).status() === 429) break;
    }
    await waiting.waitFor();
    await door.context().close();
    return `after ${tries} wrong passwords`;
  });

  await outage(world, see, openPage);
}

/** The server stops and comes back, as the browser sees it: connections are refused, then accepted again. */
async function outage(world, see) {
  const { api, owner, check, browser, jobs } = world;
  const own = await serve(api);
  const page = await browser.newPage(own.url, { provoked: [] });
  page.provoked = new Set([502, 503, 'net']);
  await check('A server that stops and comes back', page, async () => {
    await page.goto(`${own.url}/login`);
    await page.getByLabel('E-mail').fill(owner.email);
    await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/w\/ws_/);
    await page.goto(`${own.url}/w/${owner.workspace}/jobs`);
    await page.getByRole('table').waitFor();
    await page.getByText('Live').first().waitFor();
    own.stop();
    await see(page, 'The server does not respond.');
    // What was there stays, and another page says what is wrong and can be tried again.
    await page.getByRole('link', { name: jobs['Send invoices'].name }).first().waitFor();
    await page
      .getByRole('link', { name: /^Hosts/ })
      .first()
      .click();
    const retry = page.getByRole('button', { name: /^Try (again|now)$/ }).first();
    await retry.waitFor();
    await own.start();
    await retry.click();
    await page.getByRole('table').waitFor();
    await page.getByText('The server does not respond.').first().waitFor({ state: 'hidden' });
    await settled(page);
  });
  await page.context().close();
  own.stop();
}
