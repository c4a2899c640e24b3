import { useTimeZones } from '../../api/queries/timezones';
import { Combobox } from '../../parts/Combobox';
import { timeOfDay, useNow } from '../../time';
import { words } from '../../words/en/editor';

interface Props {
  value: string;
  onChange: (zone: string) => void;
  error?: string | undefined;
}

/** A time zone of the server's database; the chosen one says what time it is there. */
export function ZoneField({ value, onChange, error }: Props) {
  const zones = useTimeZones();
  const minute = Math.floor(useNow() / 60_000) * 60_000;
  const options = (zones.data ?? []).map(({ name, offset }) => ({
    value: name,
    label: name === value ? words.zoneNow(name, timeOfDay(minute, name, false)) : name,
    note: offset,
  }));
  return (
    <Combobox
      label={words.zone}
      labelHidden
      value={value}
      options={options}
      loading={zones.isPending}
      error={error}
      onChange={onChange}
    />
  );
}
