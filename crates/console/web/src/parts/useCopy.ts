import { useEffect, useState } from 'react';

const SHOWN_MS = 2_000;

/** Copies text, and says for two seconds that it has. */
export function useCopy(): [copied: boolean, copy: (text: string) => void] {
  const [copied, setCopied] = useState(0);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(0), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [copied]);
  const copy = (text: string) => {
    navigator.clipboard.writeText(text).then(
      () => setCopied(Date.now()),
      () => copyBySelection(text) && setCopied(Date.now()),
    );
  };
  return [copied > 0, copy];
}

/** For pages over plain http, where there is no clipboard. */
function copyBySelection(text: string): boolean {
  const area = document.createElement('textarea');
  area.value = text;
  area.className = 'vh';
  document.body.append(area);
  area.select();
  const done = document.execCommand('copy');
  area.remove();
  return done;
}
