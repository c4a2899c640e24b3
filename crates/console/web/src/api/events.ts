/** The format of server-sent events (HTML, §9.2.6), read from text that arrives in any pieces. */

export interface ServerEvent {
  type: string;
  data: string;
  id: string;
}

/** Returns a function that takes the next piece of text, and gives the events that are complete with it. */
export function eventParser(): (piece: string) => ServerEvent[] {
  let rest = '';
  let isFirst = true;
  let type = '';
  let data: string[] = [];
  let id = '';

  const field = (line: string): void => {
    if (line.startsWith(':')) return;
    const colon = line.indexOf(':');
    const name = colon < 0 ? line : line.slice(0, colon);
    const raw = colon < 0 ? '' : line.slice(colon + 1);
    const value = raw.startsWith(' ') ? raw.slice(1) : raw;
    if (name === 'event') type = value;
    else if (name === 'data') data.push(value);
    else if (name === 'id' && !value.includes('\0')) id = value;
  };

  return (piece) => {
    const events: ServerEvent[] = [];
    rest += piece;
    if (isFirst && rest.length > 0) {
      isFirst = false;
      if (rest.startsWith('\uFEFF')) rest = rest.slice(1);
    }
    for (;;) {
      const end = rest.search(/[\r\n]/);
      // A carriage return at the end may be the first half of a line end.
      if (end < 0 || (rest[end] === '\r' && end === rest.length - 1)) return events;
      const line = rest.slice(0, end);
      rest = rest.slice(end + (rest.startsWith('\r\n', end) ? 2 : 1));
      if (line !== '') {
        field(line);
        continue;
      }
      if (data.length > 0) events.push({ type: type || 'message', data: data.join('\n'), id });
      else if (id !== '' && type === '') events.push({ type: '', data: '', id });
      type = '';
      data = [];
    }
  };
}
