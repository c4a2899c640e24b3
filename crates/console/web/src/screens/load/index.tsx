import { useSearchParams } from 'wouter';
import { type ForecastBucket, useForecast, useHostNames } from '../../api/queries/forecast';
import { Heat, HeatRamp } from '../../charts/Heat';
import { Blank } from '../../parts/Blank';
import { Choice } from '../../parts/Choice';
import { Loaded } from '../../parts/Loaded';
import { BlockBar } from '../../parts/Loading';
import { Menu } from '../../parts/Menu';
import { Page } from '../../shell/Page';
import { now, useNow, useViewerZone } from '../../time';
import { words } from '../../words/en/load';
import { HostShares } from './HostShares';
import { HourMinutes } from './HourMinutes';
import { Slowed } from './Slowed';
import { Suggestion } from './Suggestion';
import { type CountBy, extreme, hourValue, shortHour, week, weekWindow } from './week';
import './load.css';

const HOUR_STEP = 3600;
const REFRESH_MS = 60_000;
const HEAT_REM = 21;

/** When jobs crowd, hour by hour over the next seven days, and how to spread them. */
export default function Load() {
  const [params, setParams] = useSearchParams();
  const zone = useViewerZone();
  const nowMs = Math.floor(useNow() / REFRESH_MS) * REFRESH_MS;
  const by: CountBy = params.get('count') === 'sum' ? 'sum' : 'peak';
  const host = params.get('host');
  const forecast = useForecast(
    ['week', zone, host],
    () => ({ ...weekWindow(now(), zone), step: HOUR_STEP, timezone: zone, host: host ?? undefined }),
    { refetchInterval: REFRESH_MS },
  );
  const set = (change: Record<string, string | null>) => {
    const next = new URLSearchParams(params);
    for (const [key, value] of Object.entries(change))
      value === null ? next.delete(key) : next.set(key, value);
    setParams(next, { replace: true });
  };
  return (
    <Page title={words.title}>
      <div className="titlebar">
        <div>
          <h1>{words.title}</h1>
          <p>
            {forecast.data ? words.lead(by === 'sum', forecast.data.jobs, host) : '\u00a0'}{' '}
            {forecast.data?.is_complete === false && words.incomplete}
          </p>
        </div>
        <div className="btns">
          <Choice
            label={words.countBy}
            value={by}
            options={[
              { value: 'peak', label: words.peak },
              { value: 'sum', label: words.sum },
            ]}
            onChange={(value) => set({ count: value === 'sum' ? value : null })}
          />
          <HostMenu host={host} onChoose={(value) => set({ host: value, hour: null })} />
        </div>
      </div>
      <Loaded query={forecast} bars={<BlockBar height={HEAT_REM} />}>
        {({ buckets }) => (
          <Radar
            {...{ buckets, by, host, zone, nowMs }}
            asked={params.get('hour')}
            onChoose={(hour) => set({ hour })}
          />
        )}
      </Loaded>
    </Page>
  );
}

function HostMenu({ host, onChoose }: { host: string | null; onChoose: (host: string | null) => void }) {
  const hosts = useHostNames();
  const names = [...new Set([...(hosts.data ?? []), ...(host ? [host] : [])])];
  return (
    <Menu
      icon="hosts"
      items={[
        { label: words.allHosts, checked: host === null, onSelect: () => onChoose(null) },
        'line',
        ...names.map((name) => ({ label: name, checked: name === host, onSelect: () => onChoose(name) })),
      ]}
    >
      {host ?? words.allHosts}
    </Menu>
  );
}

interface RadarProps {
  buckets: readonly ForecastBucket[];
  by: CountBy;
  host: string | null;
  zone: string;
  nowMs: number;
  /** The hour of the address. */
  asked: string | null;
  onChoose: (hour: string) => void;
}

function Radar({ buckets, by, host, zone, nowMs, asked, onChoose }: RadarProps) {
  const chosen = buckets.find((it) => it.at === asked) ?? extreme(buckets, by, nowMs, 'busiest');
  const quietest = extreme(buckets, by, nowMs, 'quietest');
  if (!chosen || buckets.every((it) => it.fires === 0)) {
    return (
      <Blank icon="radar" title={words.noLoad}>
        {words.noLoadText}
      </Blank>
    );
  }
  return (
    <div className="radar">
      <div>
        <Heat days={week(buckets, by, zone, nowMs)} chosen={chosen.at} onChoose={onChoose} />
        <div className="bar">
          <HeatRamp />
          {quietest && (
            <span className="faint small">
              {(by === 'sum' ? words.quietestSum : words.quietest)(
                shortHour(quietest.at, zone),
                hourValue(quietest, by),
              )}
            </span>
          )}
        </div>
        <HourMinutes hour={chosen} host={host} zone={zone} />
        <Slowed hour={chosen.at} host={host} zone={zone} nowMs={nowMs} />
      </div>
      <div className="rail">
        <Suggestion hour={chosen} host={host} zone={zone} />
        {host === null && <HostShares hour={chosen} zone={zone} />}
      </div>
    </div>
  );
}
