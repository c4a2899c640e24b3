import { list } from '../../format';
import { Button } from '../../parts/Button';
import { FieldError } from '../../parts/Field';
import { Icon } from '../../parts/Icon';
import { words } from '../../words/en/import';
import { choiceOf, headerOf, type SecretChoice } from './plan';
import type { Read } from './read';
import type { ImportState } from './useImport';

interface Props {
  state: ImportState;
  read: Read;
  /** The names that are taken; undefined while they are not known. */
  existing: readonly string[] | undefined;
  mayCreate: boolean;
  /** What the API said of a secret, by its name. */
  errors: Readonly<Record<string, string>>;
}

/** What becomes of each credential. */
export function SecretRows({ state, read, existing, mayCreate, errors }: Props) {
  return read.secrets.map(({ name: suggested }) => (
    <SecretRow
      key={suggested}
      places={placesOf(read, suggested)}
      choice={choiceOf(state.secrets, suggested)}
      isTaken={(name) => existing?.includes(name) ?? false}
      mayCreate={mayCreate}
      error={errors[choiceOf(state.secrets, suggested).name]}
      onChange={(choice) => state.choose(suggested, choice)}
    />
  ));
}

const MAX_PLACES = 3;

/** The headers that a secret is in, with the jobs where there are several. */
function placesOf(read: Read, suggested: string): string {
  const places = read.entries.flatMap((entry) =>
    entry.credentials
      .filter((it) => it.suggested_name === suggested)
      .map((it) =>
        read.entries.length > 1 ? `${headerOf(it.pointer)} of ${entry.job.name}` : headerOf(it.pointer),
      ),
  );
  const shown = places.slice(0, MAX_PLACES);
  return list(places.length > shown.length ? [...shown, `${places.length - shown.length} more`] : shown);
}

interface RowProps {
  places: string;
  choice: SecretChoice;
  isTaken: (name: string) => boolean;
  mayCreate: boolean;
  error: string | undefined;
  onChange: (choice: SecretChoice) => void;
}

function SecretRow({ places, choice, isTaken, mayCreate, error, onChange }: RowProps) {
  const { mode, name } = choice;
  const taken = mode === 'create' && isTaken(name);
  const [title, note] = {
    create: [words.becomesSecret, words.becomesSecretNote(places)],
    existing: [words.usesExisting, words.usesExistingNote(places)],
    keep: [words.keptInJob, words.keptInJobNote(places)],
  }[mode];
  const problem = taken ? words.secretTaken : error;
  return (
    <div className="vault">
      <Icon name="lock" size={16} />
      <p>
        <strong>{title}</strong>
        {note}
        {mode === 'create' && !mayCreate && <span className="warn-text"> {words.needsSecrets}</span>}
      </p>
      {mode !== 'keep' && (
        <div className="vault-name">
          <input
            className="input mono"
            aria-label={words.secretName}
            aria-invalid={problem ? true : undefined}
            autoComplete="off"
            spellCheck={false}
            maxLength={64}
            value={name}
            onChange={(event) => onChange({ mode: 'create', name: event.target.value })}
          />
          {problem && <FieldError>{problem}</FieldError>}
        </div>
      )}
      {taken && (
        <Button small onClick={() => onChange({ mode: 'existing', name })}>
          {words.useExisting}
        </Button>
      )}
      <Button
        kind="ghost"
        small
        onClick={() => onChange({ name, mode: mode === 'keep' ? 'create' : 'keep' })}
      >
        {mode === 'keep' ? words.makeSecret : words.keep}
      </Button>
    </div>
  );
}
