import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { headerLines, hexLines, jsonLines, textLines, visible, type WireLine } from '../src/parts/wireLines';

const text = (lines: readonly WireLine[]) =>
  lines.map((line) => line.map((part) => (typeof part === 'string' ? part : part.text)).join('')).join('\n');

describe('JSON', () => {
  test('is indented as JSON.stringify does, and keeps its value', () => {
    fc.assert(
      fc.property(fc.json({ noUnicodeString: false }), (json) => {
        fc.pre(visible(json) === json && !json.includes('secret://'));
        expect(JSON.parse(text(jsonLines(json) ?? []))).toEqual(JSON.parse(json));
      }),
    );
    expect(text(jsonLines('{"a":[1,{"b":null}],"c":{},"d":[]}') ?? [])).toBe(
      JSON.stringify({ a: [1, { b: null }], c: {}, d: [] }, null, 2),
    );
  });

  test('keeps large numbers and repeated keys as they were sent', () => {
    const sent = text(jsonLines('{"n":12345678901234567890,"n":1e400,"x":-0.50}') ?? []);
    expect(sent).toContain('12345678901234567890');
    expect(sent).toContain('1e400');
    expect(sent).toContain('-0.50');
  });

  test('that is none is null', () => {
    for (const broken of ['', '{', '{"a":1,}', 'nul', '{"a" 1}', '<html>'])
      expect(jsonLines(broken)).toBeNull();
  });

  test('marks keys, strings, numbers and secrets', () => {
    const [, line] = jsonLines('{"token":"Bearer secret://billing-api"}') ?? [];
    expect(line).toEqual([
      '  ',
      { is: 'key', text: '"token"' },
      ': ',
      { is: 'string', text: '"Bearer ' },
      { is: 'secret', text: 'secret://billing-api' },
      { is: 'string', text: '"' },
    ]);
  });
});

test('what hides or turns text becomes visible', () => {
  expect(visible('admin\u202Egnp.exe\u0007\u200B')).toBe('admin\\u{202e}gnp.exe\\u{7}\\u{200b}');
  expect(visible('plain äöü 日本 \t tab')).toBe('plain äöü 日本 \t tab');
  expect(text(textLines('a\r\nb\rc\n\u0000'))).toBe('a\nb\nc\n\\u{0}');
});

test('headers and masks', () => {
  expect(headerLines([{ name: 'set-cookie', value: 'id=••••••; Path=/' }])[0]).toEqual([
    { is: 'key', text: 'set-cookie:' },
    ' ',
    'id=',
    { is: 'secret', text: '••••••' },
    '; Path=/',
  ]);
});

test('bytes are dumped sixteen a line', () => {
  const lines = hexLines(btoa('GIF89a\u0000\u00ff 0123456789')) ?? [];
  expect(lines).toHaveLength(2);
  expect(text(lines)).toMatch(/^000000 {2}47 49 46 38 39 61 00 ff 20 30/);
  expect(text(lines)).toContain('GIF89a.. 0123456');
  expect(hexLines('%%%')).toBeNull();
});
