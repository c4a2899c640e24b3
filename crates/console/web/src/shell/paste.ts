import { useEffect } from 'react';
import { useLocation } from 'wouter';
import type { Membership } from '../api/session';
import { isCovered, isTyping } from '../parts/keys';
import { pageHref } from './pages';

const KEY = 'trigrun.paste';

/** Text that is pasted outside of a field is something to import. */
export function usePaste(workspace: Membership | null): void {
  const [, navigate] = useLocation();
  useEffect(() => {
    if (!workspace) return;
    const paste = (event: ClipboardEvent) => {
      const text = event.clipboardData?.getData('text/plain').trim();
      if (!text || isTyping(event.target) || isCovered()) return;
      event.preventDefault();
      sessionStorage.setItem(KEY, text);
      // A page that imports takes it at once, and stays.
      dispatchEvent(new Event(KEY));
      if (sessionStorage.getItem(KEY) !== null) navigate(pageHref(workspace.id, '/import'));
    };
    addEventListener('paste', paste);
    return () => removeEventListener('paste', paste);
  }, [workspace, navigate]);
}

/** The text that was pasted, once: the page Import takes it when it opens, and on the event `trigrun.paste`. */
export function takePaste(): string | null {
  const text = sessionStorage.getItem(KEY);
  sessionStorage.removeItem(KEY);
  return text;
}
