// The hand of a person: clicks and keys, counted. The hand without a mouse reaches everything by Tab.
import { strict as assert } from 'node:assert';

const MAX_TABS = 200;
/** A key that opens what is focused. */
const OPEN = 'Enter';

/** A hand on a page; with `isKeyboard`, it has no mouse. */
export function handOn(page, isKeyboard) {
  let count = { clicks: 0, keys: 0, fields: 0, tabs: 0 };
  const press = async (...keys) => {
    for (const key of keys) {
      await page.keyboard.press(key);
      count.keys += 1;
    }
  };
  const reach = async (target) => {
    await target.waitFor();
    const isFocused = () => target.evaluate((node) => document.activeElement === node);
    for (let tabs = 0; !(await isFocused()); tabs += 1) {
      assert(tabs < MAX_TABS, `${target} is not reached by Tab`);
      await page.keyboard.press('Tab');
      count.tabs += 1;
    }
  };
  return {
    isKeyboard,
    press,
    /** Activates a link or a button. */
    async choose(target) {
      if (!isKeyboard) {
        await target.click();
        count.clicks += 1;
        return;
      }
      await reach(target);
      await press(OPEN);
    },
    /** Goes to a field; what stands in it is replaced. */
    async fill(target, text) {
      if (isKeyboard) await reach(target);
      else await target.click();
      await page.keyboard.press('ControlOrMeta+a');
      await page.keyboard.type(text);
      count.fields += 1;
    },
    /** Types where the focus is. */
    async type(text) {
      await page.keyboard.type(text);
      count.fields += 1;
    },
    async paste(text) {
      await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
      await page.evaluate((it) => navigator.clipboard.writeText(it), text);
      await press('ControlOrMeta+v');
    },
    /** What it took since the last time. */
    taken() {
      const { clicks, keys, fields, tabs } = count;
      count = { clicks: 0, keys: 0, fields: 0, tabs: 0 };
      const said = [
        [clicks, 'click'],
        [keys, 'key'],
        [fields, 'field'],
        [tabs, 'Tab'],
      ].filter(([n]) => n > 0);
      return said.map(([n, what]) => `${n} ${what}${n === 1 ? '' : 's'}`).join(', ') || 'nothing';
    },
  };
}
