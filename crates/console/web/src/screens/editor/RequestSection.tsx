import { useSecret } from '../../api/queries/secrets';
import { bytes } from '../../format';
import { BodyField } from '../../parts/BodyField';
import { Choice } from '../../parts/Choice';
import { FieldError, SelectField, TextField } from '../../parts/Field';
import { HeadersField } from '../../parts/HeadersField';
import { Tabs } from '../../parts/Tabs';
import { words } from '../../words/en/editor';
import { statusesOf } from './draft';
import type { RequestTab } from './fields';
import type { FormProps } from './form';
import { compactStatuses } from './statuses';
import { useSecretNames } from './useSecretNames';

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'].map((it) => ({ value: it, label: it }));
const MAX_BODY_BYTES = 256 * 1024;
const MAX_SECRET_NOTES = 3;

interface Props extends FormProps {
  tab: RequestTab;
  onTab: (tab: RequestTab) => void;
}

/** What is sent, and which responses count as success. */
export function RequestSection({ draft, set, errors, changed, tab, onTab }: Props) {
  const hasError = (pointer: string) => Object.keys(errors).some((it) => it.startsWith(pointer));
  const tabs = [
    {
      id: 'headers' as const,
      label: words.headers,
      note: draft.headers.length || null,
      bad: hasError('/request/headers'),
    },
    { id: 'body' as const, label: words.body, note: sizeOf(draft.body), bad: hasError('/request/body') },
    {
      id: 'success' as const,
      label: words.success,
      note: compactStatuses(statusesOf(draft.successStatuses)),
      bad: hasError('/request/success_statuses'),
    },
    {
      id: 'timeout' as const,
      label: words.timeout,
      note: words.seconds(draft.timeoutSeconds),
      bad: hasError('/request/timeout_seconds'),
    },
  ];
  return (
    <section>
      <h2>
        {words.request}
        <small>{words.requestHint}</small>
      </h2>
      <div>
        <div>
          <div className="join">
            <SelectField
              label={words.method}
              labelHidden
              value={draft.method}
              options={METHODS}
              onChange={(method) => set({ method })}
            />
            <TextField
              label={words.url}
              labelHidden
              mono
              type="url"
              spellCheck={false}
              placeholder={words.urlPlaceholder}
              value={draft.url}
              changed={changed.has('/request/url')}
              error={errors['/request/url']}
              onChange={(url) => set({ url })}
            />
          </div>
          {errors['/request/method'] && <FieldError>{errors['/request/method']}</FieldError>}
        </div>
        <Tabs id="request" label={words.requestParts} tabs={tabs} chosen={tab} onChoose={onTab}>
          <div className="tab-body">
            {tab === 'headers' && <Headers draft={draft} set={set} errors={errors} />}
            {tab === 'body' && <Body draft={draft} set={set} error={errors['/request/body']} />}
            {tab === 'success' && (
              <TextField
                label={words.success}
                mono
                value={draft.successStatuses}
                hint={words.successHint}
                error={errors['/request/success_statuses']}
                onChange={(successStatuses) => set({ successStatuses })}
              />
            )}
            {tab === 'timeout' && (
              <div className="w-short">
                <TextField
                  label={words.timeoutSeconds}
                  inputMode="numeric"
                  value={draft.timeoutSeconds}
                  hint={words.timeoutHint}
                  error={errors['/request/timeout_seconds']}
                  onChange={(timeoutSeconds) => set({ timeoutSeconds })}
                />
              </div>
            )}
          </div>
        </Tabs>
      </div>
    </section>
  );
}

function sizeOf(body: string): string | null {
  return body === '' ? null : bytes(new TextEncoder().encode(body).length);
}

function Headers({ draft, set, errors }: Pick<FormProps, 'draft' | 'set' | 'errors'>) {
  const names = useSecretNames();
  const byRow: Record<number, string> = {};
  draft.headers.forEach((row, index) => {
    const pointer = `/request/headers/${row.name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    const error = errors[pointer];
    if (error) byRow[index] = error;
  });
  const named = draft.headers.flatMap((row) =>
    [...row.value.matchAll(/secret:\/\/([a-z0-9_-]+)/g)].map((it) => it[1] ?? ''),
  );
  const known = [...new Set(named)].filter((name) => names?.includes(name));
  return (
    <>
      <HeadersField
        rows={draft.headers}
        onChange={(headers) => set({ headers: [...headers] })}
        secrets={names}
        errors={byRow}
      />
      {errors['/request/headers'] && <FieldError>{errors['/request/headers']}</FieldError>}
      {known.slice(0, MAX_SECRET_NOTES).map((name) => (
        <SecretNote key={name} name={name} />
      ))}
    </>
  );
}

function SecretNote({ name }: { name: string }) {
  const { data } = useSecret(name);
  return (
    <p className="hint">
      <span className="ok-text">{words.secretExists(name)}</span>
      {data && words.secretFacts(data.version, data.used_by?.length ?? 0)}
    </p>
  );
}

function Body({ draft, set, error }: Pick<FormProps, 'draft' | 'set'> & { error: string | undefined }) {
  return (
    <>
      <Choice
        label={words.bodyKind}
        value={draft.isJson ? 'json' : 'text'}
        options={[
          { value: 'text', label: words.bodyText },
          { value: 'json', label: words.bodyJson },
        ]}
        onChange={(kind) => set({ isJson: kind === 'json' })}
      />
      <BodyField
        label={words.body}
        labelHidden
        json={draft.isJson}
        maxBytes={MAX_BODY_BYTES}
        value={draft.body}
        error={error}
        hint={`${words.bodyHint(draft.isJson ? 'application/json' : 'text/plain')} ${words.variables}`}
        onChange={(body) => set({ body })}
      />
    </>
  );
}
