import { prefs } from '../prefs';

/** Whether this is one of Apple's systems, where the command key does what Ctrl does elsewhere. */
export const APPLE = typeof navigator !== 'undefined' && /Mac|iPhone|iPad/.test(navigator.platform);

/** Whether a key press belongs to a field, and is therefore no shortcut. */
export function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof Element &&
    target.closest('input:not([type=checkbox]), textarea, select, [contenteditable]') !== null
  );
}

/** Whether a dialog is over the page, whose shortcuts rest meanwhile. */
export function isCovered(): boolean {
  return document.querySelector('dialog[open]') !== null;
}

/** Whether the command key, or Ctrl elsewhere, is held. */
export function isCommand(event: { metaKey: boolean; ctrlKey: boolean }): boolean {
  return APPLE ? event.metaKey : event.ctrlKey;
}

/** Whether a key press on the page is a shortcut of a single key. */
export function isShortcut(event: KeyboardEvent): boolean {
  return (
    prefs().singleKeys &&
    !event.defaultPrevented &&
    !event.metaKey &&
    !event.ctrlKey &&
    !event.altKey &&
    !isTyping(event.target) &&
    !isCovered()
  );
}
