// The environment of a peer.

const env = process.env;

// The directory of Postgres's unix socket; there are no passwords.
export const postgres = { host: env.POSTGRES_HOST, user: env.POSTGRES_USER, database: env.POSTGRES_DATABASE };
// The path of Redis's unix socket.
export const redis = { path: env.REDIS_SOCKET };
export const sink = env.SINK_URL;
// Requests in flight.
export const concurrency = Number(env.CONCURRENCY ?? 256);

// Jobs 0 to N-1, in lists of `size`: {id, intended}. Job k is due at T0_US + k × STEP_US, in unix microseconds.
export function* batches(size) {
  const [count, first, step] = [env.N, env.T0_US, env.STEP_US].map(Number);
  for (let from = 0; from < count; from += size) {
    const ids = Array.from({ length: Math.min(size, count - from) }, (_, k) => from + k);
    yield ids.map((id) => ({ id, intended: first + id * step }));
  }
}
