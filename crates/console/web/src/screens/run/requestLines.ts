import type { SentRequest } from '../../api/queries/run';
import {
  headerLines,
  jsonLines,
  textLines,
  visible,
  type WireLine,
  withSecrets,
} from '../../parts/wireLines';
import { words } from '../../words/en/run';

/** The lines of a request: the first, the headers, what is not stored, and the body. */
export function requestLines(sent: SentRequest): WireLine[] {
  const url = new URL(sent.url);
  return [
    [
      { is: 'strong', text: sent.method },
      ' ',
      ...withSecrets(visible(url.pathname + url.search)),
      ...(sent.http_version ? [{ is: 'aside' as const, text: ` ${sent.http_version}` }] : []),
    ],
    [{ is: 'key', text: 'Host:' }, ' ', visible(url.host)],
    ...headerLines(sent.headers),
    ...sent.left_out.map(
      (name): WireLine => [{ is: 'key', text: `${name}:` }, ' ', { is: 'aside', text: words.leftOut }],
    ),
    ...(sent.body ? [[], ...(jsonLines(sent.body) ?? textLines(sent.body))] : []),
    ...(sent.body_truncated ? [[{ is: 'aside' as const, text: words.bodyCut }]] : []),
  ];
}

/** The request as text, to copy. */
export function requestText(sent: SentRequest): string {
  const url = new URL(sent.url);
  const head = [`${sent.method} ${url.pathname}${url.search}`, `Host: ${url.host}`];
  const headers = sent.headers.map(({ name, value }) => `${name}: ${value}`);
  return [...head, ...headers, '', sent.body ?? ''].join('\n');
}
