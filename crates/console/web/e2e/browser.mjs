// A real Chromium, and what fails every run: a violation of the policy, an exception, an error in the browser's console,
// a request to another host.
import { strict as assert } from 'node:assert';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';
import { until } from './world.mjs';

const FLAGS = [
  '--no-sandbox',
  '--disable-quic',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // For the figures of memory.
  '--enable-precise-memory-info',
  '--js-flags=--expose-gc',
];
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
// A machine that compiles beside the tests is slow; what is right takes as long as it takes.
const TIMEOUT_MS = 120_000;

/** Opens a browser; `failures` collects what no page may do. */
export async function openBrowser() {
  const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
  const browser = await chromium.launch({ executablePath, args: FLAGS });
  const failures = [];
  const newPage = async (base, { provoked, ...options } = {}) => {
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
    context.setDefaultTimeout(TIMEOUT_MS);
    const page = await context.newPage();
    // What a story provokes: statuses such as 412, and 'net' for a server that is gone. Without it, all of them.
    page.provoked = provoked;
    watch(page, base, failures);
    follow(page);
    return page;
  };
  return { newPage, failures, close: () => browser.close() };
}

function watch(page, base, failures) {
  const fail = (text) => failures.push(`${text} (at ${new URL(page.url()).pathname})`);
  page.on('pageerror', (error) => fail(`exception: ${error.message}`));
  page.on('console', (message) => {
    const text = message.text();
    if (/Content Security Policy|Trusted(HTML|Script|Type)/.test(text)) fail(text);
    else if (message.type() === 'error' && !isProvoked(page, text, message.location().url))
      fail(`console: ${text}`);
  });
  page.on('request', (request) => {
    const { protocol, origin } = new URL(request.url());
    if (protocol.startsWith('http') && origin !== base) fail(`foreign request: ${request.url()}`);
  });
}

/** Chromium reports each failed request as an error. A page that does not know yet whether there is a session asks. */
function isProvoked(page, text, url) {
  // A server that is gone has no scripts either.
  if (page.provoked?.has('net') && /dynamically imported module|preload CSS/.test(text)) return true;
  if (!text.startsWith('Failed to load resource')) return false;
  const [, status] = /status of (\d+)/.exec(text) ?? [];
  if (status === '401' && url.endsWith('/v1/auth/session')) return true;
  return !page.provoked || page.provoked.has(status ? Number(status) : 'net');
}

/** Runs axe in a page, in its light and its dark theme. */
export async function checkAccessibility(page, name) {
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    // By the debugger: the policy of the page refuses scripts of others.
    await page.evaluate(AXE);
    const { violations } = await page.evaluate(
      (rules) => globalThis.axe.run(document, { runOnly: rules, resultTypes: ['violations'] }),
      RULES,
    );
    const said = violations.flatMap((it) =>
      it.nodes.map((node) => `${it.id}: ${node.html.slice(0, 160)} ${node.failureSummary ?? ''}`),
    );
    assert.deepEqual(said, [], `${name}, ${colorScheme}`);
  }
}

const QUIET_MS = 300;

/** Keeps which requests of a page have no response yet. The stream never ends. */
function follow(page) {
  const open = new Set();
  let changedAt = Date.now();
  const isPart = (request) => {
    const { pathname } = new URL(request.url());
    return pathname.startsWith('/v1/') && pathname !== '/v1/stream';
  };
  page.on('request', (request) => {
    changedAt = Date.now();
    if (isPart(request)) open.add(request);
  });
  const close = (request) => {
    changedAt = Date.now();
    open.delete(request);
  };
  page.on('requestfinished', close);
  page.on('requestfailed', close);
  page.isQuiet = () => open.size === 0 && Date.now() - changedAt > QUIET_MS;
}

/** Waits until a page has loaded what it shows: every request has its response, and no grey bar is left. */
export async function settled(page) {
  await page.locator('h1').first().waitFor({ state: 'attached' });
  await until('the requests of the page to end', () => page.isQuiet());
  await page.waitForFunction(() => !document.querySelector('.skel'));
  // Two frames, so that what has arrived is drawn.
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
}

/** How far a page is wider than its window, and the elements that make it so. */
export async function overflow(page) {
  return page.evaluate(() => {
    const root = document.documentElement;
    if (root.scrollWidth <= root.clientWidth) return [];
    const isScrolled = (node) => {
      for (let at = node.parentElement; at && at !== root; at = at.parentElement)
        if (getComputedStyle(at).overflowX !== 'visible') return true;
      return false;
    };
    const wide = [...document.body.querySelectorAll('*')].filter(
      (node) => node.getBoundingClientRect().right > root.clientWidth + 1 && !isScrolled(node),
    );
    return [
      `${root.scrollWidth} px in ${root.clientWidth}`,
      ...wide.slice(0, 5).map((node) => `${node.tagName}.${node.className}`),
    ];
  });
}
