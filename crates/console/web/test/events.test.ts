import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { eventParser, type ServerEvent } from '../src/api/events';

const STREAM = [
  ': hello',
  'id: 7',
  '',
  'event: execution',
  'id: 8',
  'data: {"id": "exe_1",',
  'data:  "status": "failed"}',
  '',
  'event:lost',
  'data:{"count":null}',
  '',
  'data',
  '',
  'unknown: field',
  'event: ignored without data',
  '',
  'data: é✓',
  '',
  '',
].join('\n');

const EVENTS: ServerEvent[] = [
  { type: '', data: '', id: '7' },
  { type: 'execution', data: '{"id": "exe_1",\n "status": "failed"}', id: '8' },
  { type: 'lost', data: '{"count":null}', id: '8' },
  { type: 'message', data: '', id: '8' },
  { type: 'message', data: 'é✓', id: '8' },
];

/** What is read from bytes that arrive in these pieces; events that only repeat the id are left out. */
function read(pieces: Uint8Array[]): ServerEvent[] {
  const decoder = new TextDecoder();
  const parse = eventParser();
  return pieces.flatMap((piece) => parse(decoder.decode(piece, { stream: true })));
}

function withoutRepeats(events: ServerEvent[]): ServerEvent[] {
  return events.filter((event, at) => event.type !== '' || event.id !== events[at - 1]?.id);
}

describe('the parser of event streams', () => {
  for (const [name, end] of Object.entries({
    'line feeds': '\n',
    'both signs': '\r\n',
    'carriage returns': '\r',
  })) {
    const bytes = new TextEncoder().encode(STREAM.replaceAll('\n', end));
    it(`reads a stream with ${name} that is split at every byte`, () => {
      for (let at = 0; at <= bytes.length; at += 1) {
        const seen = withoutRepeats(
          read([bytes.slice(0, at), bytes.slice(at), new TextEncoder().encode(': end\n')]),
        );
        expect(seen, `split at ${at}`).toEqual(EVENTS);
      }
    });
    it(`reads a stream with ${name} byte by byte`, () => {
      const pieces = [...bytes].map((byte) => Uint8Array.of(byte));
      expect(withoutRepeats(read([...pieces, new TextEncoder().encode(': end\n')]))).toEqual(EVENTS);
    });
  }

  it('reads every text that was written, in any pieces', () => {
    const text = fc.string({ unit: 'grapheme' }).filter((it) => !/[\r\n\0]/.test(it));
    const pieces = fc.array(fc.nat(40), { maxLength: 20 });
    fc.assert(
      fc.property(fc.array(fc.tuple(text, text), { minLength: 1 }), pieces, (written, lengths) => {
        const stream = `:\n${written.map(([id, data]) => `event: e\nid: ${id}\ndata: ${data}\n\n`).join('')}`;
        const parse = eventParser();
        const seen: ServerEvent[] = [];
        let at = 0;
        for (const length of lengths) {
          seen.push(...parse(stream.slice(at, at + length)));
          at += length;
        }
        seen.push(...parse(stream.slice(at)));
        expect(seen).toEqual(written.map(([id, data]) => ({ type: 'e', id, data })));
      }),
    );
  });

  it('ignores a byte order mark at the start only', () => {
    expect(eventParser()('\uFEFFdata: a\n\n\uFEFFdata: b\n\n').map((it) => it.data)).toEqual(['a']);
  });
});
