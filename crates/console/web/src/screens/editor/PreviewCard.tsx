import { Problem } from '../../api/problem';
import type { ClockChange, Preview } from '../../api/queries/preview';
import { Clock } from '../../charts/Clock';
import { Card } from '../../parts/Card';
import { ErrorPanel } from '../../parts/ErrorPanel';
import { Glyph } from '../../parts/Glyph';
import { In } from '../../parts/In';
import { Bars } from '../../parts/Loading';
import { timeOfDay } from '../../time';
import { words } from '../../words/en/editor';
import '../../styles/job.css';
import type { usePreviewOf } from './usePreviewOf';
import { longDay, offsetMinutes, wallClock, wallDay } from './wall';

const MAX_CLOCKS = 2;
const FREQUENT_PER_DAY = 24;

/** What the schedule is in words, its next fires, and what clock changes do to it. */
export function PreviewCard({ preview }: { preview: ReturnType<typeof usePreviewOf> }) {
  const { query, isOld, input } = preview;
  const { data, error } = query;
  const isRefused = error instanceof Problem && error.status === 422;
  if (input === null) return <Quiet>{words.noPreview}</Quiet>;
  if (isRefused) return <Quiet>{words.invalidSchedule}</Quiet>;
  if (error && !data) {
    return (
      <Card title={words.preview}>
        <ErrorPanel error={error} onRetry={() => void query.refetch()} />
      </Card>
    );
  }
  if (!data) {
    return (
      <Card title={words.preview}>
        <Bars rows={5} compact />
      </Card>
    );
  }
  const fires = data.fires.length;
  return (
    <Card title={words.preview} end={fires > 0 && words.nextRuns(fires)}>
      <div className={isOld ? 'is-old' : undefined}>
        <Shown data={data} />
      </div>
    </Card>
  );
}

function Quiet({ children }: { children: string }) {
  return (
    <Card title={words.preview}>
      <p className="dim small">{children}</p>
    </Card>
  );
}

function Shown({ data }: { data: Preview }) {
  const clocks = data.clock_changes.filter((it) => it.effect !== null).slice(0, MAX_CLOCKS);
  const isFrequent = data.fires_per_day !== null && data.fires_per_day > FREQUENT_PER_DAY;
  return (
    <>
      <p className="words" lang="en" role="status">
        {capital(data.schedule_in_words)}
      </p>
      {isFrequent && <p className="dim small">{words.perDay(Math.round(data.fires_per_day ?? 0))}</p>}
      {data.fires.length > 0 && (
        <ol className="fires">
          {data.fires.map((fire) => (
            <li key={fire.at} title={fire.note ?? undefined}>
              <span>
                {wallDay(fire.local)} <b className="strong">{wallClock(fire.local)}</b>
                {fire.note && <span className="vh">{fire.note}</span>}
              </span>
              <span className="faint small">
                {words.utc(timeOfDay(fire.at, 'UTC', fire.at.slice(17, 19) !== '00'))}
              </span>
              <In at={fire.at} />
            </li>
          ))}
        </ol>
      )}
      {data.warnings.map((warning) => (
        <p className="warning" key={warning} lang="en">
          <Glyph name="warn" size={14} />
          <span>{warning}</span>
        </p>
      ))}
      {clocks.map((change) => (
        <ClockDrawn key={change.at} change={change} />
      ))}
    </>
  );
}

function ClockDrawn({ change }: { change: ClockChange }) {
  const from = offsetMinutes(change.from_offset);
  const by = offsetMinutes(change.to_offset) - from;
  const at = new Date(Date.parse(change.at) + from * 60_000);
  const day = longDay(change.date);
  const note = change.note ?? '';
  return (
    <div className="clock">
      <p>
        <strong className="strong">{by > 0 ? words.forward(day) : words.back(day)}</strong>{' '}
        <span lang="en">{note}</span>
      </p>
      <Clock
        fromMinutes={at.getUTCHours() * 60 + at.getUTCMinutes()}
        byMinutes={by}
        effect={change.effect}
        label={`${day}: ${note}`}
      />
    </div>
  );
}

/** The server's words begin a sentence here. */
export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
