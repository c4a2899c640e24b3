// Every screen of a workspace, and its address.

/** [name, address below the workspace, or from ~ on the address itself] */
export function pages({ jobs, runs }) {
  const [job] = Object.values(jobs);
  return [
    ['overview', ''],
    ['failures', '/failures'],
    ['jobs', '/jobs'],
    ['job', `/jobs/${job.id}`],
    ['job-runs', `/jobs/${job.id}/runs`],
    ['job-definition', `/jobs/${job.id}/definition`],
    ['job-alerts', `/jobs/${job.id}/alerts`],
    ['job-ledger', `/jobs/${job.id}/ledger`],
    ['editor', `/jobs/${job.id}/edit`],
    ['new', '/jobs/new'],
    ['import', '/import'],
    ['runs', '/runs'],
    ['run', `/runs/${runs.failed.id}`],
    ['load', '/load'],
    ['hosts', '/hosts'],
    ['host', `/hosts/${encodeURIComponent(runs.failed.host)}`],
    ['secrets', '/secrets'],
    ['secret', '/secrets/reports-token'],
    ['notifications', '/notifications'],
    ['notifications-log', '/notifications/log'],
    ['tokens', '/tokens'],
    ['members', '/members'],
    ['audit', '/audit'],
    ['usage', '/usage'],
    ['settings', '/settings'],
    ['me', '~/me'],
    ['sessions', '~/me/sessions'],
    ['not-found', '/nothing'],
  ];
}

/** Runs that pages are about. */
export async function someRuns({ call }) {
  const [failed] = (await call('GET', '/v1/executions?status=failed&limit=1')).data;
  const retried =
    (await call('GET', '/v1/executions?status=succeeded&min_attempts=2&limit=1')).data[0] ?? failed;
  return { failed, retried };
}

/** The whole address of a page. */
export function addressOf(world, path) {
  return path.startsWith('~') ? `${world.base}${path.slice(1)}` : `${world.workspace}${path}`;
}
