// The environment of a peer.

const env = process.env;

// The directory of Postgres's unix socket; there are no passwords.
export const postgres = { host: env.POSTGRES_HOST, user: env.POSTGRES_USER, database: env.POSTGRES_DATABASE };
// The path of Redis's unix socket.
export const redis = { path: env.REDIS_SOCKET };
export const sink = env.SINK_URL;
// Requests in flight.
export const concurrency = Number(env.CONCURRENCY ?? 256);

// Jobs 0 to N-1: {id, intended}. Job k is due at T0_US + k × STEP_US, in unix microseconds.
export function* jobs() {
  const [count, first, step] = [env.N, env.T0_US, env.STEP_US].map(Number);
  for (let id = 0; id < count; id++) yield { id, intended: first + id * step };
}

// The same jobs, in lists of `size`.
export function* batches(size) {
  const all = [...jobs()];
  for (let from = 0; from < all.length; from += size) yield all.slice(from, from + size);
}

// Calls of a product that are in flight while jobs are added: with one job each, or with many.
export const adding = { singly: 64, inBulk: 4 };

// Awaits `work` for each item, `limit` at a time, and prints the seconds that this took.
export async function timed(items, limit, work) {
  const start = process.hrtime.bigint();
  const worker = async () => {
    for (const item of items) await work(item);
  };
  await Promise.all(Array.from({ length: limit }, worker));
  console.log(Number(process.hrtime.bigint() - start) / 1e9);
}
