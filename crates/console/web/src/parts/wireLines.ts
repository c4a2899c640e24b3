/** A piece of a line: plain text, or text with a meaning. */
export type WirePart =
  | string
  | { is: 'key' | 'string' | 'number' | 'aside' | 'secret' | 'strong'; text: string };

export type WireLine = readonly WirePart[];

const SECRET = /secret:\/\/[A-Za-z0-9_.-]+|•{4,}/g;
// Characters that draw nothing, or that turn the direction of what follows (CVE-2021-42574).
const HIDDEN =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what has to be shown
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** Makes control characters and marks of direction visible: what a target sends must not hide anything. */
export function visible(text: string): string {
  return text.replace(HIDDEN, (it) => `\\u{${it.codePointAt(0)?.toString(16)}}`);
}

/** Text with references to secrets, and masks of them, set apart. */
export function withSecrets(text: string, is?: 'key' | 'string' | 'number' | 'aside' | 'strong'): WirePart[] {
  const out: WirePart[] = [];
  const plain = (piece: string) => piece && out.push(is ? { is, text: piece } : piece);
  let at = 0;
  for (const match of text.matchAll(SECRET)) {
    plain(text.slice(at, match.index));
    out.push({ is: 'secret', text: match[0] });
    at = match.index + match[0].length;
  }
  plain(text.slice(at));
  return out;
}

/** Text as it is, a line each. */
export function textLines(text: string): WireLine[] {
  return text.split(/\r\n|\n|\r/).map((line) => withSecrets(visible(line)));
}

/** Headers, one a line. */
export function headerLines(headers: readonly { name: string; value: string }[]): WireLine[] {
  return headers.map(({ name, value }) => [
    { is: 'key', text: `${visible(name)}:` },
    ' ',
    ...withSecrets(visible(value)),
  ]);
}

/** Bytes as a hex dump, sixteen a line; null if it is not Base64. */
export function hexLines(base64: string): WireLine[] | null {
  let bytes: string;
  try {
    bytes = atob(base64);
  } catch {
    return null;
  }
  const lines: WireLine[] = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const chunk = [...bytes.slice(at, at + 16)].map((it) => it.charCodeAt(0));
    const hex = chunk.map((it) => it.toString(16).padStart(2, '0')).join(' ');
    const text = chunk.map((it) => (it >= 32 && it < 127 ? String.fromCharCode(it) : '.')).join('');
    lines.push([
      { is: 'aside', text: at.toString(16).padStart(6, '0') },
      `  ${hex.padEnd(47)}  `,
      { is: 'string', text },
    ]);
  }
  return lines;
}

const TOKEN = /\s+|"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null|[{}[\],:]/gy;

/**
 * JSON, indented by two; null if it is not JSON. It works on the text and not on parsed values, so that large
 * numbers and repeated keys stay as they were sent.
 */
export function jsonLines(text: string): WireLine[] | null {
  try {
    JSON.parse(text);
  } catch {
    return null;
  }
  const tokens = (text.match(TOKEN) ?? []).filter((it) => it.trim() !== '');
  const lines: WirePart[][] = [[]];
  let depth = 0;
  const put = (...parts: WirePart[]) => lines.at(-1)?.push(...parts);
  const turn = () => lines.push(depth > 0 ? ['  '.repeat(depth)] : []);
  tokens.forEach((token, index) => {
    const next = tokens[index + 1];
    if (token === '{' || token === '[') {
      put(token);
      if (next === '}' || next === ']') return;
      depth += 1;
      turn();
    } else if (token === '}' || token === ']') {
      const before = tokens[index - 1];
      if (before !== '{' && before !== '[') {
        depth -= 1;
        turn();
      }
      put(token);
    } else if (token === ',') {
      put(',');
      turn();
    } else if (token === ':') put(': ');
    else if (token.startsWith('"')) put(...withSecrets(visible(token), next === ':' ? 'key' : 'string'));
    else put({ is: 'number', text: token });
  });
  return lines;
}
