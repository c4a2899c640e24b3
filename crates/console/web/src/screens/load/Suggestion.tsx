import { useState } from 'react';
import type { ForecastBucket, Spread } from '../../api/queries/forecast';
import { count } from '../../format';
import { Button } from '../../parts/Button';
import { Loaded } from '../../parts/Loaded';
import { Bars } from '../../parts/Loading';
import { Menu } from '../../parts/Menu';
import { Section } from '../../parts/Section';
import { useCan } from '../../shell/workspace';
import { timeOfDay } from '../../time';
import { words } from '../../words/en/load';
import { Review } from './Review';
import { SPREAD_MINUTES, useSuggestion } from './useSuggestion';

interface Props {
  hour: ForecastBucket;
  host: string | null;
  zone: string;
}

/** What spreading the jobs of the chosen hour would do. Nothing changes until it is applied. */
export function Suggestion({ hour, host, zone }: Props) {
  const { spread, gains, minutes, setMinutes } = useSuggestion(hour.at, host);
  const [reviewed, setReviewed] = useState<Spread | null>(null);
  const can = useCan();
  const menu = (
    <Menu
      items={SPREAD_MINUTES.map((it) => ({
        label: words.minutes(it),
        checked: it === minutes,
        onSelect: () => setMinutes(it),
      }))}
    >
      {words.minutes(minutes)}
    </Menu>
  );
  return (
    <Section title={words.suggestion} end={<span className="small dim">{words.nothingChanges}</span>}>
      <Loaded query={spread} bars={<Bars rows={3} />}>
        {(data) => (
          <div className="advice">
            <h3>
              {gains
                ? words.spreadTitle(data.changes.length, timeOfDay(hour.at, zone, false), minutes)
                : words.noSpread}
            </h3>
            <p>{gains ? words.spreadWhy : words.noSpreadGain(data.before.peak)}</p>
            {gains && (
              <p className="gain">
                <span>{count(data.before.peak)}</span>
                <span className="faint" aria-hidden="true">
                  →
                </span>
                <span className="plan-text">{count(data.after.peak)}</span>
                <span className="small dim">{words.perMinute}</span>
              </p>
            )}
            <div className="btns">
              {gains && can('jobs:write') && (
                <Button kind="solid" onClick={() => setReviewed(data)}>
                  {words.review(data.changes.length)}
                </Button>
              )}
              {menu}
            </div>
            {gains && data.kept.length > 0 && <Kept kept={data.kept} />}
          </div>
        )}
      </Loaded>
      {reviewed && <Review spread={reviewed} onClose={() => setReviewed(null)} />}
    </Section>
  );
}

/** Which jobs stay where they are, and why. */
function Kept({ kept }: { kept: Spread['kept'] }) {
  const reasons = new Map<string, number>();
  for (const { reason } of kept) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  return (
    <details className="kept">
      <summary>{words.kept(kept.length)}</summary>
      <ul>
        {[...reasons].map(([reason, n]) => (
          <li key={reason}>{words.keptReason(n, words.reasons[reason] ?? reason)}</li>
        ))}
      </ul>
    </details>
  );
}
