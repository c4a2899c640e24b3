// peer.mjs <bullmq|pgboss|graphile> <setup|add|enqueue|work|recorded>
//
// Each peer does the same: job k of N sends POST /hook/<k> to the sink at its instant, and stores the result durably.
// add stores the jobs one by one, enqueue in bulk; both print the seconds that this took.
// The environment is described in settings.mjs.

const peers = ['bullmq', 'pgboss', 'graphile'];
const steps = ['setup', 'add', 'enqueue', 'work', 'recorded'];

const [peer, step] = process.argv.slice(2);
if (!peers.includes(peer) || !steps.includes(step)) {
  console.error(`usage: peer.mjs ${peers.join('|')} ${steps.join('|')}`);
  process.exit(2);
}
const { [step]: run } = await import(`./${peer}.mjs`);
await run();
