// axe over every screen and over their states, in both themes: full, loading, empty, empty by a filter, and with an error.
import { checkAccessibility, settled } from './browser.mjs';
import { addressOf, pages, someRuns } from './pages.mjs';
import { signUp } from './world.mjs';

const SCREENS_WITH_LISTS = [
  '/jobs',
  '/runs',
  '/hosts',
  '/secrets',
  '/notifications',
  '/tokens',
  '/members',
  '/audit',
];
const FILTERED = [
  '/jobs?tag=no-such-tag',
  '/runs?host=nowhere.example',
  '/hosts?q=nowhere',
  '/audit?action=job.none',
];

export default async function states(world) {
  const { owner, check, logIn, page: openPage } = world;
  const runs = await someRuns(owner);
  const page = await openPage({ provoked: [404] });
  for (const [name, path] of pages({ ...world, runs })) {
    await check(`${name}: no violation`, page, async () => {
      await page.goto(addressOf(world, path));
      await settled(page);
      await checkAccessibility(page, name);
    });
  }
  await check('An error in every part: no violation', page, async () => {
    // The real answer of a server that does not know the job.
    await page.goto(`${world.workspace}/jobs/job_01m8pbwkdaf29st07wyr23jrpz`);
    await settled(page);
    await checkAccessibility(page, 'a job that is not there');
  });
  for (const path of FILTERED) {
    await check(`${path}: no violation`, page, async () => {
      await page.goto(`${world.workspace}${path}`);
      await settled(page);
      await checkAccessibility(page, path);
    });
  }
  await page.context().close();
  await unansweredAndRefused(world, openPage);
  await empty(world, logIn);
}

/** Lists whose requests get no answer yet, then none at all. */
async function unansweredAndRefused(world, openPage) {
  const page = await openPage({ provoked: ['net', 503] });
  for (const path of ['', '/jobs', '/runs', '/load']) {
    const held = [];
    // Holds the requests of the page's own parts as a slow network does. Who the user is arrives.
    const hold = (route) => held.push(route);
    const isPart = (url) =>
      /\/v1\/(jobs|failures|stats|executions|forecast|upcoming|ledger)/.test(url.pathname);
    await check(`${path || '/'} while it loads, and with an error: no violation`, page, async () => {
      await page.route(isPart, hold);
      await page.goto(`${world.workspace}${path}`);
      await page.locator('.skel').first().waitFor();
      await checkAccessibility(page, `${path} loading`);
      await page.unroute(isPart, hold);
      await page.route(isPart, (route) => route.abort('connectionrefused'));
      for (const route of held) await route.abort('connectionrefused').catch(() => {});
      await page.getByRole('alert').first().waitFor();
      await checkAccessibility(page, `${path} with an error`);
    });
    await page.unrouteAll({ behavior: 'ignoreErrors' });
  }
  await page.context().close();
}

/** A workspace with nothing in it. */
async function empty(world, logIn) {
  const person = await signUp(world.api, 'Eve', 'Empty');
  const page = await logIn(person);
  const workspace = `${world.base}/w/${person.workspace}`;
  for (const path of ['', ...SCREENS_WITH_LISTS, '/load', '/usage']) {
    await check(`${path || '/'} of an empty workspace: no violation`, page, async () => {
      await page.goto(`${workspace}${path}`);
      await settled(page);
      await checkAccessibility(page, `${path}, empty`);
    });
  }
  await page.context().close();
}
