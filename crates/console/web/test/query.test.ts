import { describe, expect, test } from 'vitest';
import { completions, splitQuery } from '../src/parts/query';

const KEYS = [
  { key: 'host', hint: 'the host', values: ['api.example.com', 'files.example.net'] },
  { key: 'tag', hint: 'a tag', values: ['billing', 'two words'] },
];

describe('typed filters', () => {
  test('become chips when they are finished', () => {
    expect(splitQuery('host:api.example.com ', KEYS)).toEqual({
      chips: [{ key: 'host', value: 'api.example.com' }],
      text: '',
    });
    expect(splitQuery('host:api', KEYS).chips).toEqual([]);
  });

  test('keep the words around them', () => {
    expect(splitQuery('export tag:billing orders host:x.org ', KEYS)).toEqual({
      chips: [
        { key: 'tag', value: 'billing' },
        { key: 'host', value: 'x.org' },
      ],
      text: 'export orders ',
    });
  });

  test('take values with spaces in quotes', () => {
    expect(splitQuery('tag:"two words" ', KEYS).chips).toEqual([{ key: 'tag', value: 'two words' }]);
  });

  test('leave unknown keys and URLs as words', () => {
    expect(splitQuery('owner:sam http://x.org ', KEYS)).toEqual({
      chips: [],
      text: 'owner:sam http://x.org ',
    });
  });
});

describe('completions', () => {
  const texts = (typed: string) => completions(typed, KEYS).map((it) => it.text);

  test('offer keys, then values', () => {
    expect(texts('')).toEqual(['host:', 'tag:']);
    expect(texts('orders ho')).toEqual(['host:']);
    expect(texts('host:')).toEqual(['host:api.example.com', 'host:files.example.net']);
    expect(texts('host:files')).toEqual(['host:files.example.net']);
  });

  test('quote values with spaces, so that they become one chip', () => {
    const [offered] = texts('tag:two');
    expect(splitQuery(`${offered} `, KEYS).chips).toEqual([{ key: 'tag', value: 'two words' }]);
  });

  test('offer nothing for a key that does not exist', () => {
    expect(texts('owner:s')).toEqual([]);
  });
});
