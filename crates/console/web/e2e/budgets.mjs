// The budgets that need a browser: requests and time of the first view, rows in the document and tasks while 10,000 rows
// are scrolled, memory after 2,000 live events. Times are printed; what fails a run does not depend on the machine's speed,
// or is far above what a slow one takes.
import { strict as assert } from 'node:assert';
import { settled } from './browser.mjs';
import { seedMany, signUp, until } from './world.mjs';

/** What the overview asks for. The session, the instance and the stream belong to the frame of all pages. */
const MAX_FIRST_REQUESTS = 10;
const FRAME = ['/v1/auth/session', '/v1/instance', '/v1/stream'];
const FIRST_VIEW_MS = 1_000;
/** How much longer the first view may take than the log-in, which loads the same scripts and asks for nothing. */
const MAX_FIRST_VIEW_FACTOR = 8;
const VIEWS = 3;
const ROWS = Number(process.env.CONSOLE_ROWS ?? 10_000);
const MAX_ROWS_IN_DOCUMENT = 60;
const LONG_TASK_MS = 50;
/** Twenty times the budget: a machine that does other work as well stays far below. */
const MAX_TASK_MS = 1_000;
const EVENTS = 2_000;
const MAX_MEMORY_MB = 30;
const SCROLL_TIMEOUT_MS = 300_000;

export default async function budgets(world) {
  await firstView(world);
  const crowd = await signUp(world.api, 'Max', 'Ten thousand');
  await seedMany(crowd.call, world.targets, ROWS);
  // 503: a busy machine cannot reach its database for a moment, and the page asks again.
  const page = await world.logIn(crowd, { provoked: [503] });
  await scrolling(world, crowd, page);
  await memory(world, crowd, page);
  await page.context().close();
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

async function firstView({ check, page: openPage, browser, base, workspace }) {
  const times = { door: [], view: [] };
  await check('First view: requests and time', null, async () => {
    let most = [];
    for (let view = 0; view < VIEWS; view += 1) {
      // A context of its own: a cold cache.
      const door = await browser.newPage(base, { provoked: [401] });
      door.provoked = new Set(door.provoked);
      times.door.push(await timed(() => door.goto(`${base}/login`), door.getByLabel('E-mail')));
      await door.context().close();
      const page = await openPage();
      // On a slow machine, what is refreshed every few seconds is asked for again before all has arrived.
      const asked = new Set();
      page.on('request', (request) => {
        const { pathname } = new URL(request.url());
        if (pathname.startsWith('/v1/') && !FRAME.includes(pathname)) asked.add(pathname);
      });
      const verdict = page.getByRole('heading', { level: 1, name: /jobs? (is|are) failing|are well/ });
      times.view.push(await timed(() => page.goto(workspace), verdict));
      await settled(page);
      if (asked.size > most.length) most = [...asked];
      await page.context().close();
    }
    const [door, view] = [median(times.door), median(times.view)];
    assert(most.length <= MAX_FIRST_REQUESTS, `${most.length} requests: ${most.join(' ')}`);
    assert(
      view <= Math.max(FIRST_VIEW_MS, door * MAX_FIRST_VIEW_FACTOR),
      `${view} ms to the verdict, and ${door} ms to the log-in`,
    );
    return `${most.length} of ${MAX_FIRST_REQUESTS} requests, ${view} ms to the verdict (budget ${FIRST_VIEW_MS}), ${door} ms to the log-in`;
  });
}

async function timed(act, target) {
  const began = performance.now();
  await act();
  await target.waitFor();
  return Math.round(performance.now() - began);
}

async function scrolling({ check, base }, crowd, page) {
  await check(`Scrolling ${ROWS} rows`, page, async () => {
    await page.goto(`${base}/w/${crowd.workspace}/jobs`);
    await page.getByRole('table').waitFor();
    await settled(page);
    await page.evaluate(observeTasks);
    const loaded = () =>
      page.evaluate(() => Number(document.querySelector('[role=table], table')?.ariaRowCount ?? 0));
    let most = 0;
    const ends = Date.now() + SCROLL_TIMEOUT_MS;
    let at = 0;
    for (;;) {
      const { rows, bottom } = await page.evaluate(async (to) => {
        scrollTo(0, to);
        await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
        return {
          rows: document.querySelectorAll('[data-row]').length,
          bottom: document.documentElement.scrollHeight - innerHeight,
        };
      }, at);
      most = Math.max(most, rows);
      // A few windows at a time, until the end of the list is the end of all.
      if (at >= bottom && (await isAllLoaded(page))) break;
      at = Math.min(at + 1_800, bottom);
      assert(Date.now() < ends, `scrolled to ${at} of ${bottom} px in time; ${await loaded()} rows`);
    }
    const tasks = await page.evaluate(() => globalThis.longTasks);
    const longest = Math.round(Math.max(0, ...tasks));
    assert(most > 0 && most <= MAX_ROWS_IN_DOCUMENT, `${most} rows in the document`);
    assert(longest <= MAX_TASK_MS, `a task took ${longest} ms`);
    const over = tasks.filter((ms) => ms > LONG_TASK_MS).length;
    return `at most ${most} rows in the document; the longest task took ${longest} ms, ${over} were over ${LONG_TASK_MS} ms`;
  });
}

function isAllLoaded(page) {
  const said = new RegExp(
    `${ROWS.toLocaleString('en')} of ${ROWS.toLocaleString('en')} loaded|^Jobs. ${ROWS} of`,
  );
  return page
    .getByRole('table', { name: said })
    .count()
    .then((found) => found > 0);
}

function observeTasks() {
  globalThis.longTasks = [];
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) globalThis.longTasks.push(entry.duration);
  }).observe({ type: 'longtask' });
}

async function memory({ check, base }, crowd, page) {
  await check(`Memory after ${EVENTS} live events`, page, async () => {
    const { data } = await crowd.call('GET', '/v1/jobs?limit=100');
    await page.goto(`${base}/w/${crowd.workspace}/runs`);
    await page.getByText('Live').first().waitFor();
    const heapMb = () =>
      page.evaluate(() => {
        globalThis.gc?.();
        return performance.memory.usedJSHeapSize / 1e6;
      });
    // The first runs fill the list; what grows after that is what leaks.
    await runMany(crowd, data, 100);
    await page.getByRole('table').waitFor();
    const before = await heapMb();
    await runMany(crowd, data, EVENTS);
    const grown = (await heapMb()) - before;
    assert(grown <= MAX_MEMORY_MB, `${grown.toFixed(1)} MB more`);
    return `${grown.toFixed(1)} MB more than the ${before.toFixed(1)} MB before; budget ${MAX_MEMORY_MB} MB`;
  });
}

async function runMany({ call }, jobs, howMany) {
  const ids = jobs.map((job) => job.id);
  for (let done = 0; done < howMany; done += ids.length) {
    await call('POST', '/v1/jobs/bulk', { action: 'run', ids });
    await until('the runs to end', async () => {
      const open = await call('GET', '/v1/executions?status=queued,running,retrying&limit=1');
      return open.data.length === 0;
    });
  }
}
