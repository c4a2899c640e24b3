/** A key of a filter, and what it can be. */
export interface QueryKey {
  key: string;
  /** What it does, in a word or two. */
  hint: string;
  /** Values to complete; others are taken too. */
  values?: readonly string[];
}

interface Split {
  chips: { key: string; value: string }[];
  text: string;
}

const MAX_OFFERS = 12;
// `key:value` or `key:"value with spaces"`, followed by a space: it is finished.
const FINISHED = /(^|\s)([a-z_]+):(?:"([^"]*)"|([^\s"]+))(?=\s)/g;

/** Takes finished chips of known keys out of a text; what is left is words. */
export function splitQuery(typed: string, keys: readonly QueryKey[]): Split {
  const chips: Split['chips'] = [];
  const text = typed.replace(
    FINISHED,
    (whole, before: string, key: string, quoted?: string, plain?: string) => {
      if (!keys.some((it) => it.key === key)) return whole;
      chips.push({ key, value: quoted ?? plain ?? '' });
      return before;
    },
  );
  return { chips, text: chips.length > 0 ? text.replace(/\s+/g, ' ').trimStart() : text };
}

/** What the last word can become: keys, or the values of its key. */
export function completions(typed: string, keys: readonly QueryKey[]): { text: string; hint?: string }[] {
  const word = typed.split(/\s/).pop() ?? '';
  const colon = word.indexOf(':');
  if (colon < 0) {
    return keys
      .filter((it) => it.key.startsWith(word.toLowerCase()))
      .map((it) => ({ text: `${it.key}:`, hint: it.hint }));
  }
  const found = keys.find((it) => it.key === word.slice(0, colon));
  const begun = word
    .slice(colon + 1)
    .replace(/^"/, '')
    .toLowerCase();
  const values = (found?.values ?? []).filter((it) => it.toLowerCase().includes(begun));
  return values
    .slice(0, MAX_OFFERS)
    .map((it) => ({ text: `${found?.key}:${/\s/.test(it) ? `"${it}"` : it}` }));
}
