import { Problem } from '../../api/problem';
import { Choice } from '../../parts/Choice';
import { CronField } from '../../parts/CronField';
import { FieldError } from '../../parts/Field';
import { words } from '../../words/en/import';
import { sentenceOf } from '../editor/fields';
import { capital } from '../editor/PreviewCard';
import { usePreviewOf } from '../editor/usePreviewOf';
import { wallClock, wallDay } from '../editor/wall';
import { ZoneField } from '../editor/ZoneField';
import { timesOf, type When } from './plan';

interface Props {
  when: When;
  setWhen: (change: Partial<When>) => void;
}

const PRESETS = Object.entries(words.presets).map(([value, label]) => ({ value, label }));

/** When the jobs run of which the text says nothing. */
export function WhenStep({ when, setWhen }: Props) {
  const { preset } = when;
  return (
    <>
      <div className="btns when-line">
        <Choice
          label={words.when}
          value={preset as string}
          options={PRESETS}
          onChange={(value) => setWhen({ preset: value as When['preset'] })}
        />
        {(preset === 'daily' || preset === 'weekdays') && (
          <input
            className="input mono w-time"
            type="time"
            aria-label={words.at}
            value={when.time}
            onChange={(event) => event.target.value && setWhen({ time: event.target.value })}
          />
        )}
        {preset === 'once' && (
          <input
            className="input w-date"
            type="datetime-local"
            aria-label={words.at}
            value={when.runAt}
            onChange={(event) => setWhen({ runAt: event.target.value })}
          />
        )}
        {preset !== 'now' && (
          <div className="w-zone">
            <ZoneField value={when.zone} onChange={(zone) => setWhen({ zone })} />
          </div>
        )}
      </div>
      {preset === 'cron' && (
        <div className="under w-cron">
          <CronField value={when.cron} onChange={(cron) => setWhen({ cron })} />
        </div>
      )}
      <Fires when={when} />
    </>
  );
}

const MAX_FIRES = 3;

function Fires({ when }: { when: When }) {
  const { query, isOld } = usePreviewOf(timesOf(when));
  if (query.error instanceof Problem && query.error.errors.length > 0) {
    return <FieldError>{query.error.errors.map(sentenceOf).join(' ')}</FieldError>;
  }
  if (!query.data) return <p className="dim small under">{words.reading}</p>;
  const fires = query.data.fires
    .slice(0, MAX_FIRES)
    .map((it) => `${wallDay(it.local)} ${wallClock(it.local)}`);
  const [first, ...rest] = fires;
  return (
    <p className={isOld ? 'dim small under is-old' : 'dim small under'} role="status">
      <span lang="en">{capital(query.data.schedule_in_words)}</span>.{' '}
      {first && (
        <>
          {words.next} <span className="plan-text strong">{first}</span>
          {rest.length > 0 && words.thenAt(rest)}.
        </>
      )}
    </p>
  );
}
