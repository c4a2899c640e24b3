import { Choice } from '../../parts/Choice';
import { QueryBar } from '../../parts/QueryBar';
import { useViewerZone } from '../../time';
import { words } from '../../words/en/runs';
import {
  CHIP_KEYS,
  type ChipKey,
  chipsBesideView,
  chipValue,
  ERROR_CLASSES,
  fromShown,
  oneEach,
  type Query,
  SOURCES,
  STATUSES,
  toShown,
  withChips,
} from './filter';

const VALUES: Partial<Record<ChipKey, readonly string[]>> = {
  status: STATUSES,
  source: SOURCES,
  error: ERROR_CLASSES,
  http: ['5xx', '4xx', '3xx'],
  from: ['1h', '24h', '7d'],
};

const FILTER_KEYS = CHIP_KEYS.map((key) => {
  const values = VALUES[key];
  return { key, hint: words.keys[key] ?? '', ...(values && { values }) };
});

const PERIODS: readonly string[] = ['1h', '24h', '7d'];

interface Props {
  query: Query;
  onChange: (query: Query) => void;
}

/** Words and chips, and the usual periods. */
export function FilterBar({ query, onChange }: Props) {
  const zone = useViewerZone();
  const from = chipValue(query, 'from');
  const isPeriod = chipValue(query, 'to') === undefined && (from === undefined || PERIODS.includes(from));
  // What the view or the choice of a period says already is not a chip, too.
  const own = chipsBesideView(query).filter((chip) => !(isPeriod && chip.key === 'from'));
  const hidden = query.chips.filter((chip) => !own.includes(chip));
  return (
    <div className="runs-bar">
      <QueryBar
        label={words.filter}
        placeholder={words.filterHint}
        text={query.text}
        chips={own.map((chip) => toShown(chip, zone))}
        keys={FILTER_KEYS}
        onChange={({ text, chips }) =>
          onChange({ text, chips: oneEach([...hidden, ...chips.map((chip) => fromShown(chip, zone))]) })
        }
      />
      <Choice
        label={words.period}
        value={isPeriod ? (from ?? 'all') : ''}
        options={['all', ...PERIODS].map((value) => ({ value, label: words.periods[value] ?? value }))}
        onChange={(value) => onChange(withChips(query, { from: value === 'all' ? null : value, to: null }))}
      />
    </div>
  );
}
