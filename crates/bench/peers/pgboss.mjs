// pg-boss. The result of a run is its job's output.

import { PgBoss } from 'pg-boss';
import pg from 'pg';
import { fire } from './fire.mjs';
import { adding, batches, concurrency, jobs, postgres, timed } from './settings.mjs';

const queue = 'fire';
// Concurrent fetches, each with its share of the requests in flight.
const fetchers = 2;

async function withClient(work) {
  const client = new pg.Client(postgres);
  await client.connect();
  await work(client);
  await client.end();
}

async function withBoss(options, work) {
  const boss = new PgBoss({ ...postgres, ...options });
  boss.on('error', (error) => console.error(error));
  await boss.start();
  await work(boss);
  await boss.stop({ graceful: false });
}

export async function setup() {
  await withClient((client) => client.query('DROP SCHEMA IF EXISTS pgboss CASCADE'));
  await withBoss({}, (boss) => boss.createQueue(queue, { retryLimit: 2 }));
}

const onlyAdds = { supervise: false, schedule: false };

export const add = () =>
  withBoss(onlyAdds, (boss) => timed(jobs(), adding.singly, (data) => boss.send(queue, data)));

export const enqueue = () =>
  withBoss(onlyAdds, (boss) =>
    timed(batches(1000), adding.inBulk, (batch) =>
      boss.insert(queue, batch.map((data) => ({ data, startAfter: new Date(data.intended / 1000) })))));

export async function work() {
  const boss = new PgBoss({ ...postgres, max: 10 });
  boss.on('error', (error) => console.error(error));
  await boss.start();
  // The shortest interval that it allows; no wait while a batch is full.
  const options = {
    batchSize: Math.floor(concurrency / fetchers),
    localConcurrency: fetchers,
    pollingIntervalSeconds: 0.5,
    burstWhenBatchFull: true,
    perJobResults: true,
  };
  const settle = async ({ id, data }) => ({ id, status: 'completed', output: await fire(data) });
  await boss.work(queue, options, (jobs) => Promise.all(jobs.map(settle)));
  process.on('SIGTERM', () => process.exit(0));
}

const count = "SELECT count(*) FROM pgboss.job WHERE state = 'completed' AND output IS NOT NULL";

export const recorded = () => withClient(async (client) => console.log((await client.query(count)).rows[0].count));
