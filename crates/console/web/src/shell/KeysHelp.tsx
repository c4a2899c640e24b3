import { Dialog } from '../parts/Dialog';
import { Kbd } from '../parts/Kbd';
import { setPrefs, usePrefs } from '../prefs';
import { words } from '../words/en/shell';
import { listedKeys, shortcutsOnPage } from './keys';

// Parts listen for these themselves.
const ELSEWHERE = [
  { keys: '/', label: words.keyFilter },
  { keys: 'mod+Z', label: words.keyUndo },
];

/** All shortcuts that work now. */
export function KeysHelp({ onClose }: { onClose: () => void }) {
  const { singleKeys } = usePrefs();
  return (
    <Dialog title={words.keys} onClose={onClose}>
      <dl className="keys">
        {[...listedKeys(), ...shortcutsOnPage(), ...ELSEWHERE].map((it) => (
          <div key={it.keys + it.label}>
            <dt>{it.label}</dt>
            <dd>
              {it.keys.split(' ').map((keys) => (
                <Kbd key={keys} keys={keys} />
              ))}
            </dd>
          </div>
        ))}
      </dl>
      <label className="check-line">
        <input
          type="checkbox"
          className="check"
          checked={singleKeys}
          onChange={(event) => setPrefs({ singleKeys: event.target.checked })}
        />
        {words.keysSwitch}
      </label>
    </Dialog>
  );
}
