// The ten questions that people come with, each answered as they would get the answer: with the mouse, and by keyboard
// alone. What each took is printed beside the most that it should take.
import { strict as assert } from 'node:assert';
import { handOn } from './hand.mjs';
import { until } from './world.mjs';

const CURL = (url) =>
  `curl -X POST ${url} -H 'Authorization: Bearer rk_live_8Hq2vN4pXw7cT1' -d '{"day": "yesterday"}'`;

/** The stories: what is asked, the goal, and the way. */
function stories({ page, hand, owner, targets, jobs, workspace, round }) {
  const open = (path) => page.goto(`${workspace}${path}`);
  const see = (text) => page.getByText(text, { exact: false }).first().waitFor();
  const failing = jobs['Ledger export to the warehouse'];
  const main = page.locator('#main');
  return [
    [
      'Is anything broken?',
      '0 clicks',
      async () => {
        await open('');
        await page.getByRole('heading', { level: 1, name: '2 jobs are failing' }).waitFor();
        await see('2 jobs fail because');
      },
    ],
    [
      'What happened in this run?',
      '1 click from the overview',
      async () => {
        await open('');
        await hand.choose(page.getByRole('link', { name: /^Last run/ }).first());
        await page.getByRole('heading', { level: 1, name: /Failed: 503 Unavailable/ }).waitFor();
        await page.getByText('upstream is down').first().waitFor();
      },
    ],
    [
      'Why did it run at this time, or not?',
      '1 field',
      async () => {
        await open(`/jobs/${failing.id}`);
        await page.getByRole('heading', { level: 1, name: failing.name }).waitFor();
        await hand.press('w');
        await page.locator('#why-at:focus').waitFor();
        await page.keyboard.press('Enter');
        // It is asked about this minute, in which the job may be due.
        await page.locator('.why-answer strong').waitFor();
      },
    ],
    [
      'What runs next?',
      '0 clicks',
      async () => {
        await open('');
        const next = page.getByRole('region', { name: 'Next' });
        await next.getByText('Check the status page').first().waitFor();
      },
    ],
    [
      'What changed before it failed?',
      '1 click',
      async () => {
        await open(`/jobs/${failing.id}`);
        await see(`saved by ${owner.name}`);
        await hand.choose(page.getByRole('link', { name: 'Compare v1 and v2' }));
        await page.getByRole('dialog', { name: 'Version 1 and version 2' }).waitFor();
        await page.keyboard.press('Escape');
      },
    ],
    [
      'Add a job from a curl command',
      '1 paste, 1 key',
      async () => {
        await open('/jobs');
        await page.getByRole('table').waitFor();
        await hand.paste(CURL(`${targets.at(6)}/ok/pasted/${round}`));
        await see('curl command: one POST');
        await page.getByRole('button', { name: 'Create job' }).waitFor();
        await hand.press('ControlOrMeta+Enter');
        await see('is created.');
      },
    ],
    [
      'Change a schedule, and be sure of it',
      '1 screen',
      async () => {
        const job = jobs['Daily digest by e-mail'];
        await open(`/jobs/${job.id}`);
        await page.getByRole('button', { name: 'Run now' }).first().waitFor();
        await hand.press('e');
        await hand.fill(page.getByRole('textbox', { name: 'minute' }), String(20 + round));
        await see(`07:${20 + round}`);
        await see('1 change to v');
        await hand.press('ControlOrMeta+Enter');
        await see(`Saved ${job.name} as v`);
        const saved = await owner.call('GET', `/v1/jobs/${job.id}`);
        assert.equal(saved.schedule.cron, `${20 + round} 7 * * *`);
      },
    ],
    [
      'Pause everything that calls a host',
      '2 keys and the host',
      async () => {
        await open('/jobs');
        await page.getByRole('table').waitFor();
        await hand.press('ControlOrMeta+k');
        await hand.type(`pause ${targets.host(3)}`);
        const option = page.getByRole('option', { name: `Pause all jobs that call ${targets.host(3)}` });
        await option.waitFor();
        if (hand.isKeyboard) {
          while ((await option.getAttribute('aria-selected')) !== 'true') await hand.press('ArrowDown');
          await hand.press('Enter');
        } else await hand.choose(option);
        await see(`Paused 2 jobs that call ${targets.host(3)}.`);
        assert.equal((await owner.call('GET', `/v1/jobs/${failing.id}`)).state, 'paused');
        await hand.press('ControlOrMeta+z');
        await until('the jobs to be active again', async () => {
          const { state } = await owner.call('GET', `/v1/jobs/${failing.id}`);
          return state === 'active';
        });
      },
    ],
    [
      'Run these again',
      '1 screen',
      async () => {
        const replays = () => owner.call('GET', '/v1/executions?source=replay&limit=100');
        const before = (await replays()).data.length;
        await open(`/runs?status=failed&host=${encodeURIComponent(targets.host(3))}`);
        await page.getByRole('table').waitFor();
        await main.focus();
        await hand.press('j', 'ControlOrMeta+a');
        await hand.choose(page.getByRole('toolbar').getByRole('button', { name: 'Replay' }));
        const confirm = page.getByRole('dialog').getByRole('button', { name: /^Replay \d+ runs?$/ });
        await hand.choose(confirm);
        await page
          .getByText(/^Replayed \d+ runs?\.$/)
          .first()
          .waitFor();
        await until('the replays', async () => (await replays()).data.length > before);
      },
    ],
    [
      'Who has access, what did they do, how near is the limit?',
      '1 click each',
      async () => {
        await open('');
        for (const [name, text] of [
          ['Members', owner.email],
          ['API tokens', 'API tokens'],
          ['Audit log', 'job'],
          ['Usage and limits', 'Jobs'],
        ]) {
          await hand.choose(page.getByRole('link', { name, exact: true }).first());
          await page.getByRole('heading', { level: 1, name }).waitFor();
          await main.getByText(text, { exact: false }).first().waitFor();
        }
      },
    ],
  ];
}

export default async function ten({ check, page: openPage, ...world }) {
  for (const isKeyboard of [false, true]) {
    const page = await openPage();
    const hand = handOn(page, isKeyboard);
    const way = isKeyboard ? 'keyboard' : 'mouse';
    for (const [name, goal, story] of stories({ ...world, page, hand, round: isKeyboard ? 2 : 1 })) {
      hand.taken();
      await check(`${name} (${way})`, page, async () => {
        await story();
        return `took ${hand.taken()}; goal: ${goal}`;
      });
    }
    await page.context().close();
  }
}
