import { words } from '../words/en/parts';
import { StripBar, type StripRun } from './Strip';
import { useWidth } from './useWidth';
import './charts.css';

export interface HistoryRun extends StripRun {
  /** When it was due, for the axis. */
  clock: string;
}

interface Props {
  /** Oldest first. */
  runs: readonly HistoryRun[];
  places: number;
  label: string;
  /** A word at the first of the failures that still go on: *since 11:30*. */
  since?: { id: string; text: string };
  onOpen?: (id: string) => void;
}

const UP = 76;
const DOWN = 27;
const HEIGHT = 124;
const AXIS_ROOM = 64;
const LEAST_STEP = 7;

/** The last runs of a job: a strip with an axis, as wide as its place. */
export function History({ runs, places, label, since, onOpen }: Props) {
  const [ref, width] = useWidth<HTMLDivElement>();
  const fit = Math.max(1, Math.min(places, Math.floor(width / LEAST_STEP)));
  return (
    <div ref={ref} className="chart-box">
      {width > 0 && <Drawing {...{ width, fit, label, since, onOpen }} runs={runs.slice(-fit)} />}
      {runs.length === 0 && <p className="faint small">{words.strip(0, 0, 0)}</p>}
    </div>
  );
}

interface DrawingProps extends Omit<Props, 'places'> {
  width: number;
  /** Places for so many; the newest stands at the end. */
  fit: number;
}

function Drawing({ runs, width, fit, label, since, onOpen }: DrawingProps) {
  const step = width / fit;
  const x = (index: number) => (fit - runs.length + index) * step;
  const longest = Math.max(1, ...runs.map((run) => run.durationMs ?? 0));
  const every = Math.max(1, Math.ceil(AXIS_ROOM / step));
  const first = Math.min(every - 1, runs.length - 1);
  const sinceAt = since ? runs.findIndex((run) => run.id === since.id) : -1;
  return (
    <svg
      className="chart"
      width={width}
      height={HEIGHT}
      viewBox={`0 0 ${width} ${HEIGHT}`}
      role="img"
      aria-label={label}
    >
      {since && sinceAt >= 0 && <Since x={x(sinceAt)} width={width} text={since.text} />}
      <rect className="c-base" x="0" y={UP} width={width} height="1" />
      {runs.map((run, index) => (
        <g key={run.id}>
          <StripBar
            run={run}
            x={x(index)}
            width={Math.min(9, step * 0.75)}
            up={UP}
            down={DOWN}
            longest={longest}
          />
          {(runs.length - 1 - index) % every === first && (
            <text className="c-axis" x={Math.min(x(index), width - 36)} y="120">
              {run.clock}
            </text>
          )}
          {onOpen && (
            // biome-ignore lint/a11y/noStaticElementInteractions: the table below has the same links for the keyboard
            <rect
              className="hit"
              x={x(index)}
              y="0"
              width={step}
              height={UP + DOWN}
              onClick={() => onOpen(run.id)}
            >
              <title>{`${run.clock} ${run.status}`}</title>
            </rect>
          )}
        </g>
      ))}
    </svg>
  );
}

function Since({ x, width, text }: { x: number; width: number; text: string }) {
  return (
    <>
      <path className="c-grid" d={`M${x - 1.5} 4v102`} />
      <text className="c-label" x={Math.min(x + 3, width - 64)} y="12">
        {text}
      </text>
    </>
  );
}
