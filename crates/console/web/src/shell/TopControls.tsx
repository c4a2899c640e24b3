import { Button } from '../parts/Button';
import { Menu } from '../parts/Menu';
import { type Prefs, setPrefs, usePrefs } from '../prefs';
import { BROWSER_ZONE, useViewerZone, zoneName } from '../time';
import { words } from '../words/en/shell';
import { announce } from './live';

/** Between the zone of the browser (or the chosen one) and UTC. */
export function switchZone(zone: string): void {
  const next = zone === 'UTC' ? 'local' : 'UTC';
  setPrefs({ zone: next });
  announce(words.zoneShown(next === 'UTC' ? 'UTC' : BROWSER_ZONE));
}

const THEMES: { theme: Prefs['theme']; icon: 'sun' | 'moon' | 'screen'; label: string }[] = [
  { theme: 'system', icon: 'screen', label: words.themeSystem },
  { theme: 'light', icon: 'sun', label: words.themeLight },
  { theme: 'dark', icon: 'moon', label: words.themeDark },
];

/** What every top bar ends with: the zone of times, and the theme. */
export function TopControls() {
  const zone = useViewerZone();
  const { theme } = usePrefs();
  return (
    <>
      <Button
        kind="ghost"
        icon="jobs"
        className="only-wide"
        onClick={() => switchZone(zone)}
        label={words.zone(zone)}
        title={words.zone(zone)}
      >
        {zoneName(zone)}
      </Button>
      <Menu
        kind="ghost"
        icon={THEMES.find((it) => it.theme === theme)?.icon ?? 'sun'}
        label={words.theme(theme)}
        items={THEMES.map((it) => ({
          label: it.label,
          icon: it.icon,
          checked: it.theme === theme,
          onSelect: () => setPrefs({ theme: it.theme }),
        }))}
      />
    </>
  );
}
