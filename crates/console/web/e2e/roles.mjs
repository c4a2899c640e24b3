// Each role on each screen: the screen is drawn, says who may do what, and offers nothing that the API refuses.
import { strict as assert } from 'node:assert';
import { settled } from './browser.mjs';
import { addressOf, pages, someRuns } from './pages.mjs';
import { join } from './world.mjs';

/** What stands on a page only for those who may do it: [screen, name of the button or link, scope]. */
const ACTIONS = [
  ['jobs', 'New job', 'jobs:write'],
  ['job', 'Edit', 'jobs:write'],
  ['job', 'Run now', 'jobs:run'],
  ['members', 'Invite', 'members:write'],
  ['tokens', 'New token', 'tokens:write'],
  ['secrets', 'New secret', 'secrets:write'],
  ['settings', 'Delete workspace', 'owner'],
];

export default async function roles(world) {
  const { api, owner, check, logIn, jobs } = world;
  const people = [
    { ...owner, role: 'owner' },
    await join(api, owner, 'Ada', 'admin'),
    await join(api, owner, 'Mel', 'member'),
  ];
  const runs = await someRuns(owner);
  const offered = {};
  for (const person of people) {
    // 403: reads of what the role may not see, which the page explains.
    const page = await logIn(person, { provoked: [403, 404] });
    for (const [name, path] of pages({ jobs, runs })) {
      // The suite `states` opens every screen as the owner.
      if (person.role === 'owner' && !ACTIONS.some(([screen]) => screen === name)) continue;
      await check(`${person.role} on ${name}`, page, async () => {
        await page.goto(addressOf(world, path));
        await settled(page);
        assert.equal(await page.getByText('This part of the page failed').count(), 0, 'every part is drawn');
        const words = await page.locator('#main').textContent();
        assert(words.trim().length > 20, 'the page says something');
        for (const [, label] of ACTIONS.filter(([screen]) => screen === name)) {
          // Actions on the whole page are in its head.
          const parts = page.locator('header.top, #main');
          const button = parts
            .getByRole('button', { name: label })
            .or(parts.getByRole('link', { name: label }));
          const isOffered = (await button.count()) > 0 && (await button.first().isEnabled());
          offered[`${name}: ${label}`] = [...(offered[`${name}: ${label}`] ?? []), isOffered && person.role];
        }
      });
    }
    await page.context().close();
  }
  await check('Actions are offered to the roles that may do them', null, async () => {
    const said = Object.entries(offered).map(([what, who]) => `${what} (${who.filter(Boolean).join(', ')})`);
    for (const [what, who] of Object.entries(offered)) {
      assert(who.includes('owner'), `owners are offered ${what}`);
      assert(!who.includes('member'), `members are not offered ${what}`);
    }
    return said.join('; ');
  });
}
