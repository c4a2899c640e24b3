import { Button } from '../../parts/Button';
import { Choice } from '../../parts/Choice';
import { CronField } from '../../parts/CronField';
import { FieldError, TextField } from '../../parts/Field';
import { words } from '../../words/en/editor';
import type { FormProps } from './form';
import { Row } from './Row';
import { ZoneField } from './ZoneField';

/** When the job runs. `mayRunNow` is false for a job that exists. */
export function WhenSection({ draft, set, errors, mayRunNow }: FormProps & { mayRunNow: boolean }) {
  const kinds = (Object.entries(words.kinds) as [string, string][]).map(([value, label]) => ({
    value,
    label,
    ...(value === 'one_time' && !mayRunNow && { refused: words.nowIsForNew }),
  }));
  const hasZone = draft.kind === 'cron' || draft.kind === 'scheduled';
  return (
    <section>
      <h2>
        {words.when}
        <small>{words.whenHint}</small>
      </h2>
      <div>
        <Choice label={words.kind} value={draft.kind} options={kinds} onChange={(kind) => set({ kind })} />
        {errors['/kind'] && <FieldError>{errors['/kind']}</FieldError>}
        {draft.kind === 'cron' && <Cron draft={draft} set={set} error={errors['/schedule/cron']} />}
        {draft.kind === 'recurring' && (
          <div className="w-short">
            <TextField
              label={words.every}
              inputMode="numeric"
              value={draft.everyMinutes}
              hint={words.everyHint}
              error={errors['/schedule/every_n_minutes']}
              onChange={(everyMinutes) => set({ everyMinutes })}
            />
          </div>
        )}
        {draft.kind === 'scheduled' && (
          <div className="w-short">
            <TextField
              label={words.runAt}
              type="datetime-local"
              value={draft.runAt}
              error={errors['/schedule/run_at']}
              onChange={(runAt) => set({ runAt })}
            />
          </div>
        )}
        {draft.kind === 'one_time' && <p className="dim">{words.nowHint}</p>}
        {hasZone && (
          <div className="trio">
            <Row label={words.zone}>
              <div className="grow">
                <ZoneField
                  value={draft.timezone}
                  error={errors['/schedule/timezone']}
                  onChange={(timezone) => set({ timezone })}
                />
              </div>
            </Row>
          </div>
        )}
      </div>
    </section>
  );
}

function Cron({ draft, set, error }: Pick<FormProps, 'draft' | 'set'> & { error: string | undefined }) {
  return (
    <>
      <CronField value={draft.cron} onChange={(cron) => set({ cron })} error={error} />
      {/* biome-ignore lint/a11y/useSemanticElements: a fieldset would draw a frame and a legend */}
      <div className="quick" role="group" aria-label={words.quick}>
        {words.presets.map(([label, cron]) => (
          <Button key={cron} small onClick={() => set({ cron })}>
            {label}
          </Button>
        ))}
      </div>
    </>
  );
}
