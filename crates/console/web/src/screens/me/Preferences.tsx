import { useMemo } from 'react';
import { Choice } from '../../parts/Choice';
import { Combobox } from '../../parts/Combobox';
import { CheckField } from '../../parts/Field';
import { type Prefs, setPrefs, usePrefs } from '../../prefs';
import {
  BROWSER_ZONE,
  fullTime,
  now,
  offsetOf,
  timeOfDay,
  useNow,
  useViewerZone,
  zoneName,
} from '../../time';
import { words } from '../../words/en/me';
import { Setting } from '../configure/Setting';
// The look of a box to tick is in the style sheet of tables.
import '../../parts/Table.css';

/** What this browser shows: kept in it, and not on the server. */
export function Preferences() {
  const prefs = usePrefs();
  return (
    <>
      <Setting title={words.theme} text={words.themeText}>
        <div>
          <Choice<Prefs['theme']>
            label={words.theme}
            value={prefs.theme}
            options={[
              { value: 'system', label: words.themes.system },
              { value: 'light', label: words.themes.light },
              { value: 'dark', label: words.themes.dark },
            ]}
            onChange={(theme) => setPrefs({ theme })}
          />
        </div>
      </Setting>
      <Setting title={words.times} text={words.timesText}>
        <Zone zone={prefs.zone} />
        <div className="clock">
          <Choice
            label={words.clock}
            value={prefs.hour12 ? '12' : '24'}
            options={[
              { value: '24', label: words.hours24 },
              { value: '12', label: words.hours12 },
            ]}
            onChange={(value) => setPrefs({ hour12: value === '12' })}
          />
          <Example />
        </div>
      </Setting>
      <Setting title={words.keys} text={words.keysText}>
        <CheckField
          checked={prefs.singleKeys}
          onChange={(singleKeys) => setPrefs({ singleKeys })}
          label={words.singleKeys}
          hint={words.singleKeysHint}
        />
      </Setting>
    </>
  );
}

/** The zones that this browser can write times in. */
function Zone({ zone }: { zone: string }) {
  const options = useMemo(() => {
    const at = now();
    const named = Intl.supportedValuesOf('timeZone').filter((it) => it !== 'UTC');
    return [
      { value: 'local', label: words.localZone(zoneName(BROWSER_ZONE)), note: offsetOf(at, BROWSER_ZONE) },
      { value: 'UTC', label: 'UTC', note: offsetOf(at, 'UTC') },
      ...named.map((it) => ({ value: it, label: it, note: offsetOf(at, it) })),
    ];
  }, []);
  return (
    <Combobox
      label={words.zone}
      value={zone}
      options={options}
      onChange={(next) => setPrefs({ zone: next })}
      hint={words.zoneHint}
    />
  );
}

function Example() {
  const zone = useViewerZone();
  const at = useNow();
  return (
    <span className="dim" title={fullTime(at, zone)}>
      {words.nowIs(timeOfDay(at, zone), zoneName(zone))}
    </span>
  );
}
