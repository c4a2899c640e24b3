// biome-ignore-all lint/a11y/useSemanticElements: a grid that the arrow keys move in, laid out as one
// biome-ignore-all lint/a11y/useFocusableInteractive: heads and hours that are past take no focus
import { Fragment, type KeyboardEvent, useRef } from 'react';
import { words } from '../words/en/parts';
import { heatStep } from './heatStep';
import './charts.css';
import './Heat.css';

export interface HeatCell {
  /** Identifies the hour. */
  id: string;
  value: number;
  /** The whole sentence: *Fri 27 Nov 02:00 to 02:59: at most 214 runs in one minute*. */
  label: string;
}

export interface HeatDay {
  id: string;
  name: string;
  note: string;
  /** 24 hours; null where it is past or does not exist. */
  hours: readonly (HeatCell | null)[];
}

interface Props {
  days: readonly HeatDay[];
  chosen: string | null;
  onChoose: (id: string) => void;
}

const HOURS = Array.from({ length: 24 }, (_, hour) => String(hour).padStart(2, '0'));

/** Seven days by 24 hours in eight steps, with the number in every cell. One tab stop; the arrows move and choose. */
export function Heat({ days, chosen, onChoose }: Props) {
  const grid = useRef<HTMLDivElement>(null);
  const max = Math.max(1, ...days.flatMap((day) => day.hours.map((hour) => hour?.value ?? 0)));
  const first = days.flatMap((day) => day.hours).find((hour) => hour !== null)?.id;
  const stop = chosen ?? first;
  function move(event: KeyboardEvent, row: number, column: number) {
    const next = neighbour(days, event.key, row, column);
    if (!next) return;
    event.preventDefault();
    onChoose(next.id);
    grid.current?.querySelector<HTMLElement>(`[data-cell="${CSS.escape(next.id)}"]`)?.focus();
  }
  return (
    <div className="heat-box">
      <div className="heat" role="grid" aria-label={words.heatLabel} ref={grid}>
        <Hours />
        {days.map((day, row) => (
          <div key={day.id} className="row" role="row">
            <div className="d" role="rowheader">
              {day.name}
              <small>{day.note}</small>
            </div>
            {day.hours.map((cell, column) => (
              <Fragment key={HOURS[column]}>
                {cell ? (
                  <button
                    type="button"
                    role="gridcell"
                    className={`cell h${heatStep(cell.value, max)}`}
                    tabIndex={cell.id === stop ? 0 : -1}
                    aria-selected={cell.id === chosen}
                    aria-label={cell.label}
                    data-cell={cell.id}
                    onClick={() => onChoose(cell.id)}
                    onKeyDown={(event) => move(event, row, column)}
                  >
                    {short(cell.value)}
                  </button>
                ) : (
                  <span
                    className="cell past"
                    role="gridcell"
                    aria-label={words.past(`${day.name} ${HOURS[column]}:00`)}
                  />
                )}
              </Fragment>
            ))}
          </div>
        ))}
      </div>
    </div>
  );
}

function Hours() {
  return (
    <div className="row" role="row">
      <span role="columnheader">
        <span className="vh">{words.day}</span>
      </span>
      {HOURS.map((hour) => (
        <span key={hour} className="h" role="columnheader">
          {hour}
        </span>
      ))}
    </div>
  );
}

function neighbour(days: readonly HeatDay[], key: string, row: number, column: number): HeatCell | null {
  const steps: Record<string, [number, number]> = {
    ArrowRight: [0, 1],
    ArrowLeft: [0, -1],
    ArrowDown: [1, 0],
    ArrowUp: [-1, 0],
  };
  const step = steps[key];
  if (key === 'Home') return days[row]?.hours.find((it) => it !== null) ?? null;
  if (key === 'End') return days[row]?.hours.findLast((it) => it !== null) ?? null;
  if (!step) return null;
  const flat = row * 24 + column + step[0] * 24 + step[1];
  return days[Math.floor(flat / 24)]?.hours[flat % 24] ?? null;
}

/** Four figures at most, as a cell is narrow: 1.2k, 35k. */
function short(value: number): string {
  if (value < 1000) return String(value);
  if (value < 10_000) return `${(value / 1000).toFixed(1)}k`;
  return value < 1_000_000 ? `${Math.round(value / 1000)}k` : `${(value / 1_000_000).toFixed(1)}M`;
}

/** What the steps mean. */
export function HeatRamp() {
  return (
    <span className="ramp">
      {words.low}
      <span className="ramp-steps" aria-hidden="true">
        {[0, 1, 2, 3, 4, 5, 6, 7].map((step) => (
          <i key={step} className={`h${step}`} />
        ))}
      </span>
      {words.high}
    </span>
  );
}
