// Graphile Worker. It deletes completed jobs, so each run inserts its result before it ends.

import { Logger, makeWorkerUtils, run } from 'graphile-worker';
import pg from 'pg';
import { fire } from './fire.mjs';
import { adding, batches, concurrency, jobs, postgres, timed } from './settings.mjs';

const table = `
  CREATE TABLE runs (
    id bigserial PRIMARY KEY,
    job_id bigint NOT NULL,
    intended timestamptz NOT NULL,
    status integer NOT NULL,
    latency_us integer NOT NULL,
    snippet text NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
  )`;
const insert = {
  name: 'record',
  text: 'INSERT INTO runs (job_id, intended, status, latency_us, snippet) VALUES ($1, to_timestamp($2::float8 / 1e6), $3, $4, $5)',
};

const connections = 24;

// Logging each job costs more than the job.
const logger = new Logger(() => (level, message) => {
  if (level === 'error' || level === 'warning') console.error(message);
});

async function withPool(size, work) {
  const pool = new pg.Pool({ ...postgres, max: size });
  const log = (error) => console.error(error);
  pool.on('error', log);
  pool.on('connect', (client) => client.on('error', log));
  await work(pool);
  await pool.end();
}

async function withUtils(work) {
  await withPool(connections, async (pgPool) => {
    const utils = await makeWorkerUtils({ pgPool, logger });
    await work(utils, pgPool);
    await utils.release();
  });
}

export async function setup() {
  await withPool(1, (pool) => pool.query('DROP SCHEMA IF EXISTS graphile_worker CASCADE; DROP TABLE IF EXISTS runs'));
  await withUtils(async (utils, pool) => {
    await utils.migrate();
    await pool.query(table);
  });
}

export const add = () => withUtils((utils) => timed(jobs(), adding.singly, (payload) => utils.addJob('fire', payload)));

export const enqueue = () =>
  withUtils((utils) =>
    timed(batches(1000), adding.inBulk, (batch) =>
      utils.addJobs(
        batch.map((payload) => ({ identifier: 'fire', payload, runAt: new Date(payload.intended / 1000) })))));

export async function work() {
  await withPool(connections, async (pgPool) => {
    const record = async (payload) => {
      const { status, latencyUs, snippet } = await fire(payload);
      await pgPool.query({ ...insert, values: [payload.id, payload.intended, status, latencyUs, snippet] });
    };
    // As its documentation recommends for performance: jobs are fetched and completed in batches.
    const worker = {
      concurrentJobs: concurrency,
      pollInterval: 100,
      localQueue: { size: 2 * concurrency },
      completeJobBatchDelay: 0,
      failJobBatchDelay: 0,
    };
    const runner = await run({ pgPool, logger, preset: { worker }, taskList: { fire: record } });
    await runner.promise;
  });
}

export const recorded = () =>
  withPool(1, async (pool) => console.log((await pool.query('SELECT count(*) FROM runs')).rows[0].count));
