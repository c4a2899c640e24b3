import { useState } from 'react';
import { type Token, useCreateToken } from '../../api/queries/tokens';
import { Choice } from '../../parts/Choice';
import { CheckField, FieldError, SelectField, TextField } from '../../parts/Field';
import { type Scope, useMe } from '../../shell/workspace';
import { now } from '../../time';
import { words } from '../../words/en/tokens';
import { FormDialog } from '../configure/FormDialog';

const DAY_MS = 86_400_000;
const SCOPES: readonly Scope[] = [
  'jobs:read',
  'executions:read',
  'jobs:run',
  'jobs:write',
  'secrets:write',
  'notifications:write',
  'workspace:admin',
];
const PRESETS: Record<'read' | 'deploy' | 'all', readonly Scope[]> = {
  read: ['jobs:read', 'executions:read'],
  deploy: ['jobs:read', 'executions:read', 'jobs:run', 'jobs:write'],
  all: SCOPES,
};
const EXPIRIES = ['7', '30', '90', '365', 'date', 'never'] as const;
type ExpiryChoice = (typeof EXPIRIES)[number];

interface Props {
  onMade: (token: Token) => void;
  onClose: () => void;
}

/** A new token: its name, what it may do, until when. */
export function NewToken({ onMade, onClose }: Props) {
  const create = useCreateToken();
  const mine = useMe().data?.scopes ?? [];
  const [name, setName] = useState('');
  const [scopes, setScopes] = useState<readonly Scope[]>(PRESETS.read);
  const [expiry, setExpiry] = useState<ExpiryChoice>('90');
  const [date, setDate] = useState(() => dayAfter(90));
  async function submit() {
    onMade(
      await create.mutateAsync({
        name: name.trim(),
        scopes: [...scopes],
        expires_at: instantOf(expiry, date),
      }),
    );
  }
  return (
    <FormDialog title={words.newTitle} confirm={words.create} onSubmit={submit} onClose={onClose}>
      {(errorOf) => (
        <>
          <TextField
            label={words.name}
            value={name}
            onChange={setName}
            required
            maxLength={200}
            autoFocus
            hint={words.nameHint}
            error={errorOf('/name')}
          />
          <Scopes mine={mine} value={scopes} onChange={setScopes} error={errorOf('/scopes')} />
          <div className="expiry">
            <SelectField
              label={words.expires}
              value={expiry}
              onChange={setExpiry}
              options={EXPIRIES.map((value) => ({ value, label: words.expiry[value] }))}
              error={errorOf('/expires_at')}
            />
            {expiry === 'date' && (
              <TextField
                label={words.lastDay}
                type="date"
                required
                min={dayAfter(1)}
                value={date}
                onChange={setDate}
              />
            )}
          </div>
        </>
      )}
    </FormDialog>
  );
}

interface ScopesProps {
  /** A token can do no more than the user who makes it. */
  mine: readonly string[];
  value: readonly Scope[];
  onChange: (value: readonly Scope[]) => void;
  error: string | undefined;
}

function Scopes({ mine, value, onChange, error }: ScopesProps) {
  const offered = SCOPES.filter((scope) => mine.includes(scope));
  const preset = (Object.keys(PRESETS) as (keyof typeof PRESETS)[]).find((it) =>
    isSame(
      value,
      PRESETS[it].filter((scope) => mine.includes(scope)),
    ),
  );
  const toggle = (scope: Scope, isChosen: boolean) =>
    onChange(SCOPES.filter((it) => (it === scope ? isChosen : value.includes(it))));
  return (
    <fieldset className="choices">
      <legend>{words.scopes}</legend>
      <Choice
        label={words.presets}
        value={preset ?? 'chosen'}
        options={[
          { value: 'read', label: words.preset.read },
          { value: 'deploy', label: words.preset.deploy },
          { value: 'all', label: words.preset.all },
        ]}
        onChange={(it) => it !== 'chosen' && onChange(PRESETS[it].filter((scope) => mine.includes(scope)))}
      />
      <div className="scope-list">
        {offered.map((scope) => (
          <CheckField
            key={scope}
            checked={value.includes(scope)}
            onChange={(isChosen) => toggle(scope, isChosen)}
            label={
              <>
                {words.scope[scope]} <code className="faint">{scope}</code>
              </>
            }
          />
        ))}
      </div>
      {error ? <FieldError>{error}</FieldError> : <p className="hint">{words.willBeAble(value)}</p>}
    </fieldset>
  );
}

function isSame(a: readonly Scope[], b: readonly Scope[]): boolean {
  return a.length === b.length && a.every((scope) => b.includes(scope));
}

function dayAfter(days: number): string {
  return new Date(now() + days * DAY_MS).toISOString().slice(0, 10);
}

// A day that is typed counts to its end.
function instantOf(expiry: ExpiryChoice, date: string): string | null {
  if (expiry === 'never') return null;
  if (expiry === 'date') return `${date}T23:59:59Z`;
  return new Date(now() + Number(expiry) * DAY_MS).toISOString();
}
