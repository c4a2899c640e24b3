import { expect, it } from 'vitest';
import { matches } from '../src/shell/keys';

const press = (key: string, held: Partial<KeyboardEvent> = {}) =>
  ({ key, shiftKey: false, altKey: false, ctrlKey: false, metaKey: false, ...held }) as KeyboardEvent;

it.each([
  ['R', press('r'), '', true],
  ['R', press('R', { shiftKey: true }), '', false],
  ['Shift+X', press('X', { shiftKey: true }), '', true],
  ['Shift+X', press('x'), '', false],
  ['?', press('?', { shiftKey: true }), '', true],
  ['/', press('/'), '', true],
  ['mod+K', press('k', { ctrlKey: true }), '', true],
  ['mod+K', press('k'), '', false],
  ['R', press('r', { ctrlKey: true }), '', false],
  ['R', press('r', { altKey: true }), '', false],
  ['G J', press('j'), 'g', true],
  ['G J', press('j'), '', false],
  ['Enter', press('Enter'), '', true],
])('%s', (keys, event, before, isMatch) => {
  expect(matches(keys, event, before)).toBe(isMatch);
});
