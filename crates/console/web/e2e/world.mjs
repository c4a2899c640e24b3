// What the stories run against: people with accounts, scripted targets, and jobs with a past.
import { strict as assert } from 'node:assert';
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';

export const PASSWORD = 'correct horse battery';
const WAIT_TIMEOUT_MS = 120_000;
const POLL_INTERVAL_MS = 100;
const LATE_MS = 250;

/** Waits until a function returns something true, and returns it. */
export async function until(what, look, timeoutMs = WAIT_TIMEOUT_MS) {
  const ends = Date.now() + timeoutMs;
  for (;;) {
    const found = await look();
    if (found) return found;
    assert(Date.now() < ends, `Timed out: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL_MS));
  }
}

/** Responses of a server on a busy machine: the request is sent again. */
const BUSY = [408, 429, 503];

/** A client of the API, with the token of a session. */
export function client(api, token, workspace) {
  return (method, path, body) => {
    const headers = {
      'Content-Type': 'application/json',
      // The same for each repetition, so that nothing is made twice.
      ...(/\/(jobs|batch|bulk|run-now)$/.test(path) && { 'Idempotency-Key': randomUUID() }),
      ...(token && { Authorization: `Bearer ${token}` }),
      ...(workspace && { 'TrigRun-Workspace': workspace }),
    };
    return until(`${method} ${path}`, async () => {
      const response = await fetch(api + path, { method, headers, body: body && JSON.stringify(body) });
      if (BUSY.includes(response.status)) return false;
      const text = await response.text();
      assert(response.ok, `${method} ${path}: ${response.status} ${text}`);
      return text ? JSON.parse(text) : {};
    });
  };
}

/** Adds a user with a workspace of their own. */
export async function signUp(api, name, workspaceName) {
  const email = `${name.toLowerCase().replace(/\W/g, '.')}.${Date.now()}@example.com`;
  const made = await client(api)('POST', '/v1/auth/signup', {
    email,
    name,
    password: PASSWORD,
    workspace_name: workspaceName,
  });
  return { email, name, workspace: made.workspace_id, call: client(api, made.token, made.workspace_id) };
}

/** Adds a user to a workspace, with a role. */
export async function join(api, owner, name, role) {
  const email = `${name.toLowerCase()}.${Date.now()}@example.com`;
  const { secret, invitation } = await owner.call('POST', '/v1/members', { email, role });
  await client(api)('POST', '/v1/auth/signup', {
    email,
    name,
    password: PASSWORD,
    invitation: secret ?? invitation,
  });
  return { email, name, workspace: owner.workspace, role };
}

/**
 * Targets as scripts say: the path decides how one responds. /fail/503 responds with a 503 until `heal()`, /late after a
 * moment, /flaky with a 503 to each first attempt. Several addresses of loopback make several hosts.
 */
export async function startTargets() {
  let isHealed = false;
  const seen = [];
  const respond = (request, response) => {
    const attempt = Number(request.headers['trigrun-attempt'] ?? 1);
    seen.push({ method: request.method, url: request.url, headers: request.headers });
    const [, kind, status] = request.url.split('/');
    const failing =
      (kind === 'fail' && !isHealed && Number(status || 500)) || (kind === 'flaky' && attempt === 1 && 503);
    const answer = () => {
      response.writeHead(failing || 200, { 'Content-Type': 'application/json' });
      response.end(JSON.stringify(failing ? { error: 'upstream is down' } : { ok: true, rows: 128 }));
    };
    if (kind === 'late') setTimeout(answer, LATE_MS);
    else answer();
  };
  const server = createServer(respond);
  await new Promise((resolve) => server.listen(0, '0.0.0.0', resolve));
  const { port } = server.address();
  const at = (last) => `http://127.0.0.${last}:${port}`;
  return {
    seen,
    at,
    host: (last) => new URL(at(last)).hostname,
    heal: () => {
      isHealed = true;
    },
    stop: () => server.closeAllConnections() ?? server.close(),
  };
}

const JOBS = [
  ['Nightly close of the books', '30 2 * * *', 1, 'late/close', ['billing', 'finance']],
  ['Send invoices', '0 9 * * 1-5', 1, 'ok/invoices', ['billing']],
  ['Collect exchange rates', '15 * * * *', 2, 'ok/rates', ['finance']],
  ['Ledger export to the warehouse', '0 */2 * * *', 3, 'fail/503/export', ['finance', 'warehouse']],
  ['Refresh the search index', '*/15 * * * *', 3, 'fail/503/search', ['search']],
  ['Renew certificates', '0 4 1 * *', 4, 'ok/certificates', ['ops']],
  ['Remind about unpaid invoices', '0 10 * * 1', 1, 'ok/remind', ['billing']],
  ['Purge expired sessions', '*/30 * * * *', 4, 'late/purge', ['ops']],
  ['Sync customers to the CRM', '5 * * * *', 5, 'flaky/crm', ['crm']],
  ['Daily digest by e-mail', '0 7 * * *', 5, 'ok/digest', ['mail']],
  ['Rotate the signing keys', '0 0 1 */3 *', 4, 'ok/rotate', ['ops']],
  ['Check the status page', '*/5 * * * *', 2, 'ok/status', ['ops']],
];

/** Fills a workspace: jobs of several hosts, runs of which some fail, a paused job and a draft, a secret, a channel. */
export async function seed(owner, targets) {
  const { call } = owner;
  await call('POST', '/v1/secrets', { name: 'reports-token', value: 'rk_live_4fT7' });
  const channel = await call('POST', '/v1/notification-channels', {
    name: 'on call',
    type: 'webhook',
    config: { url: `${targets.at(9)}/ok/hook` },
  });
  const jobs = {};
  for (const [name, cron, host, path, tags] of JOBS) {
    jobs[name] = await call('POST', '/v1/jobs', {
      name,
      tags,
      kind: 'cron',
      schedule: { cron, timezone: 'Europe/Berlin' },
      request: {
        url: `${targets.at(host)}/${path.startsWith('fail') ? `ok/${path}` : path}`,
        headers: { Authorization: 'Bearer secret://reports-token' },
      },
      retry_policy: { max_attempts: path.startsWith('flaky') ? 3 : 1 },
    });
  }
  const all = Object.values(jobs);
  const idOf = (name) => jobs[name].id;
  for (let round = 0; round < 3; round += 1) await runAll(call, all);
  // The version that breaks them.
  for (const [name, , host, path] of JOBS.filter(([, , , path]) => path.startsWith('fail'))) {
    await call('PATCH', `/v1/jobs/${idOf(name)}`, { request: { url: `${targets.at(host)}/${path}` } });
  }
  await call('POST', `/v1/jobs/${idOf('Nightly close of the books')}/notification-rules`, {
    channel_id: channel.id,
    event: 'on_completion',
  });
  for (let round = 0; round < 2; round += 1) await runAll(call, all);
  await call('POST', `/v1/jobs/${idOf('Renew certificates')}/pause`, {
    note: 'The provider changes its API.',
  });
  await call('POST', '/v1/jobs', {
    name: 'Archive old reports',
    kind: 'cron',
    state: 'draft',
    schedule: { cron: '0 5 * * 0' },
    request: { url: `${targets.at(1)}/ok/archive` },
  });
  return { jobs, idOf, channel };
}

async function runAll(call, jobs) {
  await call('POST', '/v1/jobs/bulk', { action: 'run', ids: jobs.map((job) => job.id) });
  const open = '/v1/executions?status=queued,running,retrying&limit=1';
  await until('all runs to end', async () => (await call('GET', open)).data.length === 0);
}

/** Adds many jobs at once; they are all due in the next year only, so that none runs. */
export async function seedMany(call, targets, howMany) {
  const size = 500;
  for (let from = 0; from < howMany; from += size) {
    const items = Array.from({ length: Math.min(size, howMany - from) }, (_, index) => ({
      name: `Batch job ${String(from + index + 1).padStart(5, '0')}`,
      kind: 'cron',
      schedule: { cron: `${index % 60} ${index % 24} 1 1 *` },
      request: { url: `${targets.at((index % 9) + 1)}/ok/${index}` },
    }));
    await call('POST', '/v1/jobs/batch', { items });
  }
}
