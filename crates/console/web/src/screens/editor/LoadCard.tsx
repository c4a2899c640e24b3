import { useForecast } from '../../api/queries/forecast';
import type { Preview } from '../../api/queries/preview';
import { Minutes } from '../../charts/Minutes';
import { Button, LinkButton } from '../../parts/Button';
import { Card } from '../../parts/Card';
import { words } from '../../words/en/editor';
import { atMinute, hourLoad, ownMinute, quieterMinute } from './load';
import { wallClock, wallDay, wallMinute } from './wall';

interface Props {
  /** The first fire of the schedule that is edited. */
  fire: Preview['fires'][number];
  timezone: string;
  /** The expression, whose minute can be changed; null for other kinds. */
  cron: string | null;
  /** The next run of the job as it is saved: its own is no crowd. */
  savedNextRun: string | null;
  savedHost: string;
  onCron: (cron: string) => void;
}

const CHART_HEIGHT = 64;

/** How busy the hour of the next run is, and a quieter minute. */
export function LoadCard({ fire, timezone, cron, savedNextRun, savedHost, onCron }: Props) {
  const marked = wallMinute(fire.local);
  const from = new Date(Math.floor(Date.parse(fire.at) / 60_000) * 60_000 - marked * 60_000).toISOString();
  const to = new Date(Date.parse(from) + 3_600_000).toISOString();
  const { data } = useForecast(['hour', from, timezone], () => ({ from, to, step: 60, timezone }));
  if (!data || data.buckets.length === 0) return null;
  const { minutes, host } = hourLoad(data.buckets, marked, ownMinute(savedNextRun, from), savedHost);
  const hour = wallClock(fire.local).slice(0, 2);
  const clock = (minute: number) => `${hour}:${String(minute).padStart(2, '0')}`;
  const crowd = minutes[marked] ?? 0;
  const quiet = cron === null ? null : quieterMinute(minutes, marked);
  const moved = quiet === null || cron === null ? null : atMinute(cron, quiet);
  return (
    <Card title={words.load} end={words.hour(clock(0), clock(59))}>
      <Minutes
        hour={`${wallDay(fire.local)}, ${words.hour(clock(0), clock(59))}`}
        minutes={minutes.map((fires, minute) => (minute === marked ? fires + 1 : fires))}
        clock={clock}
        marked={marked}
        height={CHART_HEIGHT}
      />
      <p className="small dim">
        <strong className="strong">
          {crowd > 0 ? words.others(crowd, clock(marked)) : words.noOthers(clock(marked))}
        </strong>
        {crowd > 1 && host && words.atHost(host.fires, host.name)}.{' '}
        {moved !== null && quiet !== null && words.quieter(clock(quiet), minutes[quiet] ?? 0)}
      </p>
      <div className="btns">
        {moved !== null && quiet !== null && (
          <Button small onClick={() => onCron(moved)}>
            {words.use(clock(quiet))}
          </Button>
        )}
        <LinkButton small kind="ghost" href="/load">
          {words.openRadar}
        </LinkButton>
      </div>
    </Card>
  );
}
