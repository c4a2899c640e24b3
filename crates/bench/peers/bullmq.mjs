// BullMQ. The result of a run is its job's return value. All completed jobs are kept, as durably as Redis is configured.

import { Queue, Worker } from 'bullmq';
import { fire } from './fire.mjs';
import { adding, batches, concurrency, jobs, redis, timed } from './settings.mjs';

const name = 'bench';

async function withQueue(work) {
  const queue = new Queue(name, { connection: redis });
  await work(queue);
  await queue.close();
}

export const setup = () => withQueue((queue) => queue.obliterate({ force: true }));

export const add = () =>
  withQueue((queue) => timed(jobs(), adding.singly, (data) => queue.add('fire', data, { attempts: 3 })));

export const enqueue = () =>
  withQueue((queue) =>
    timed(batches(500), adding.inBulk, (batch) => {
      const now = Date.now();
      const delayed = batch.map((data) => {
        const delay = Math.max(0, Math.round(data.intended / 1000 - now));
        return { name: 'fire', data, opts: { delay, attempts: 3 } };
      });
      return queue.addBulk(delayed);
    }));

export async function work() {
  const keep = { count: 1e9 };
  const worker = new Worker(name, (job) => fire(job.data), { connection: redis, concurrency, removeOnComplete: keep });
  worker.on('error', (error) => console.error(error));
  process.on('SIGTERM', async () => {
    await worker.close(true);
    process.exit(0);
  });
}

export const recorded = () => withQueue(async (queue) => console.log(await queue.getCompletedCount()));
