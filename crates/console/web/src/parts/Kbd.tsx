import { APPLE } from './keys';
import './Kbd.css';

/** A key cap. `mod` stands for ⌘ on Apple's systems and for Ctrl elsewhere: `mod+Enter`. */
export function Kbd({ keys }: { keys: string }) {
  // biome-ignore lint/a11y/noAriaHiddenOnFocusable: a key cap takes no focus
  return <kbd aria-hidden="true">{caps(keys)}</kbd>;
}

function caps(keys: string): string {
  const names: Record<string, string> = APPLE
    ? { mod: '⌘', Shift: '⇧', Enter: '↵' }
    : { mod: 'Ctrl', Shift: 'Shift', Enter: '↵' };
  return keys
    .split('+')
    .map((key) => names[key] ?? key)
    .join(APPLE ? '' : ' ');
}
