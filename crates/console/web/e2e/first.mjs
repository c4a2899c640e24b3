// A person who has never seen the console: from the sign-up to a job that was pasted, has run, and is explained.
import { strict as assert } from 'node:assert';
import { checkAccessibility, settled } from './browser.mjs';
import { handOn } from './hand.mjs';
import { PASSWORD } from './world.mjs';

const GOAL_SECONDS = 60;

export default async function first({ base, browser, targets, check }) {
  const page = await browser.newPage(base, { provoked: [] });
  page.provoked = new Set();
  const hand = handOn(page, false);
  await check('A first-time visitor gets a job that runs', page, async () => {
    const began = performance.now();
    await page.goto(base);
    await hand.choose(page.getByRole('link', { name: 'Sign up' }));
    await hand.fill(page.getByLabel('Your name'), 'Robin');
    await hand.fill(page.getByLabel('E-mail'), `robin.${Date.now()}@example.com`);
    await hand.fill(page.getByLabel('Password', { exact: true }), PASSWORD);
    await hand.fill(page.getByLabel('Name of your workspace'), 'Shop');
    await hand.press('Enter');
    await page.getByRole('heading', { name: 'Paste to get started' }).waitFor();
    await page.locator('#main').focus();
    await hand.paste(`curl -fsS ${targets.at(1)}/ok/first -H 'Authorization: Bearer rk_live_8Hq2vN4pXw7cT1'`);
    await page.getByText('The credential becomes a secret').waitFor();
    await hand.choose(page.getByRole('button', { name: 'Create job' }));
    await page.getByText('is created.', { exact: false }).first().waitFor();
    await hand.choose(page.getByRole('button', { name: 'Run now' }));
    await hand.choose(page.getByRole('link', { name: 'All about this run' }));
    await page.getByRole('heading', { level: 1, name: /^Succeeded/ }).waitFor();
    const seconds = (performance.now() - began) / 1000;
    const sent = targets.seen.find((request) => request.url === '/ok/first');
    assert.equal(sent.headers.authorization, 'Bearer rk_live_8Hq2vN4pXw7cT1');
    // The page never shows what became a secret.
    assert(!(await page.content()).includes('rk_live_8Hq2vN4pXw7cT1'));
    return `${seconds.toFixed(1)} s and ${hand.taken()}; goal: ${GOAL_SECONDS} s`;
  });
  await check('The run of the first job, by axe', page, async () => {
    await settled(page);
    await checkAccessibility(page, 'the first run');
  });
  await page.context().close();
}
