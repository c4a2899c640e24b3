import type { Attempt } from '../../api/queries/run';
import { bytes } from '../../format';
import { type Tab, Tabs } from '../../parts/Tabs';
import { Wire } from '../../parts/Wire';
import { headerLines, hexLines, jsonLines, textLines } from '../../parts/wireLines';
import { words } from '../../words/en/run';
import { base64Of, headerOf } from './attempts';

export type ResponseView = 'body' | 'headers' | 'raw' | 'hex';
export const RESPONSE_VIEWS: readonly ResponseView[] = ['body', 'headers', 'raw', 'hex'];

interface Props {
  attempt: Attempt;
  view: ResponseView;
  onView: (view: ResponseView) => void;
}

/** What the target sent: pretty where it is JSON, as text, or in hexadecimal; and its headers. */
export function Response({ attempt, view, onView }: Props) {
  const isText = attempt.body_encoding === 'utf-8';
  const pretty = isText ? jsonLines(attempt.body_preview) : null;
  const hasBody = attempt.body_preview !== '';
  const tabs: Tab<ResponseView>[] = [
    { id: 'body', label: words.body },
    { id: 'headers', label: words.headers, note: attempt.response_headers.length || null },
    ...(pretty ? [{ id: 'raw' as const, label: words.raw }] : []),
    ...(isText && hasBody ? [{ id: 'hex' as const, label: words.hex }] : []),
  ];
  const chosen = tabs.some((tab) => tab.id === view) ? view : 'body';
  return (
    <div>
      <Tabs id="response" label={words.views} tabs={tabs} chosen={chosen} onChoose={onView}>
        <View attempt={attempt} view={chosen} pretty={pretty} />
        {hasBody && chosen !== 'headers' && <Size attempt={attempt} />}
      </Tabs>
    </div>
  );
}

interface ViewProps {
  attempt: Attempt;
  view: ResponseView;
  pretty: ReturnType<typeof jsonLines>;
}

function View({ attempt, view, pretty }: ViewProps) {
  const { body_preview: body, body_encoding: encoding, response_headers: headers } = attempt;
  if (attempt.status_code === null && body === '' && headers.length === 0)
    return <Nothing text={words.noResponse} />;
  if (view === 'headers') {
    if (headers.length === 0) return <Nothing text={words.noHeaders} />;
    const text = headers.map((it) => `${it.name}: ${it.value}`).join('\n');
    return <Wire label={words.headersLabel} lines={headerLines(headers)} copy={text} />;
  }
  if (body === '') return <Nothing text={words.emptyBody} />;
  if (encoding !== 'utf-8')
    return <Wire label={words.hexLabel} lines={hexLines(body) ?? textLines(body)} copy={body} />;
  if (view === 'hex')
    return <Wire label={words.hexLabel} lines={hexLines(base64Of(body)) ?? []} copy={body} />;
  if (view === 'raw') return <Wire label={words.rawLabel} lines={textLines(body)} copy={body} />;
  return <Wire label={words.bodyLabel} lines={pretty ?? textLines(body)} copy={body} />;
}

function Nothing({ text }: { text: string }) {
  return <p className="run-nothing small dim">{text}</p>;
}

function Size({ attempt }: { attempt: Attempt }) {
  const type = headerOf(attempt, 'content-type');
  return (
    <p className="small faint under">
      {words.size(bytes(attempt.response_bytes), type)}
      {attempt.body_truncated && `, ${words.cut(bytes(attempt.body_preview.length))}`}
    </p>
  );
}
