import { duration } from '../format';
import { words } from '../words/en/parts';
import { PHASES, type Phase, type PhaseTimes } from './Lane';
import './charts.css';
import './Phases.css';

interface Props {
  attempt: number;
  times: PhaseTimes;
  totalMs: number | null;
  /** The phases that did not happen because the connection was reused. */
  reused: boolean;
  /** The medians of the successes before; null where there are too few. */
  baseline: (Record<Phase, number | null> & { total: number | null }) | null;
}

const WIDTH = 400;
const AMBER_FROM = 1.5;
const TOLD_FROM = 1.2;
const CONNECTION: readonly Phase[] = ['dns', 'connect', 'tls'];

/** The phases of one attempt, beside the usual, which is a thin mark. */
export function Phases({ attempt, times, totalMs, reused, baseline }: Props) {
  const sum = PHASES.reduce((all, phase) => all + (times[phase] ?? 0), 0);
  const range = Math.max(1, sum, totalMs ?? 0);
  let start = 0;
  return (
    <table className="phases">
      <caption className="vh">{`${words.attempt} ${attempt}`}</caption>
      <thead>
        <tr>
          <th scope="col">{words.phase}</th>
          <th scope="col">
            <span className="vh">{words.drawn}</span>
          </th>
          <th scope="col" className="num">
            {words.duration}
          </th>
          {baseline && (
            <>
              <th scope="col" className="num usual">
                {words.baseline}
              </th>
              <th scope="col" className="usual">
                <span className="vh">{words.compared}</span>
              </th>
            </>
          )}
        </tr>
      </thead>
      <tbody>
        {PHASES.map((phase) => {
          const from = start;
          start += times[phase] ?? 0;
          return (
            <tr key={phase}>
              <PhaseCells
                {...{ phase, from, range, reused }}
                took={times[phase]}
                usual={baseline?.[phase] ?? null}
              />
              {baseline && <Usual took={times[phase]} usual={baseline[phase]} />}
            </tr>
          );
        })}
      </tbody>
      <tfoot>
        <tr>
          <th scope="row">{words.total}</th>
          <td />
          <td className="num">{duration(totalMs)}</td>
          {baseline && <Usual took={totalMs} usual={baseline.total} />}
        </tr>
      </tfoot>
    </table>
  );
}

interface CellsProps {
  phase: Phase;
  from: number;
  took: number | null;
  usual: number | null;
  range: number;
  reused: boolean;
}

function PhaseCells({ phase, from, took, usual, range, reused }: CellsProps) {
  return (
    <>
      <th scope="row">{words.phases[phase]}</th>
      <td className="lanecell">
        <svg className="lane" viewBox={`0 0 ${WIDTH} 18`} preserveAspectRatio="none" aria-hidden="true">
          {took !== null && <PhaseBar phase={phase} from={from} took={took} usual={usual} range={range} />}
        </svg>
      </td>
      <td className="num">
        {took !== null && duration(took)}
        {took === null && (
          <span className="faint">{reused && CONNECTION.includes(phase) ? words.reused : words.unknown}</span>
        )}
      </td>
    </>
  );
}

interface BarProps {
  phase: Phase;
  from: number;
  took: number;
  usual: number | null;
  range: number;
}

function PhaseBar({ phase, from, took, usual, range }: BarProps) {
  const scale = (ms: number) => (ms / range) * WIDTH;
  const mark = usual === null ? null : Math.min(WIDTH - 1, scale(from + usual));
  return (
    <>
      <rect className={`ph-${phase}`} x={scale(from)} y="3" width={Math.max(1.5, scale(took))} height="12" />
      {mark !== null && <path className="c-usual" d={`M${mark} 0v18`} vectorEffect="non-scaling-stroke" />}
    </>
  );
}

function Usual({ took, usual }: { took: number | null; usual: number | null }) {
  const factor = took !== null && usual !== null && usual > 0 ? took / usual : null;
  return (
    <>
      <td className="num faint usual">{duration(usual)}</td>
      <td className="num usual">
        {factor !== null &&
          (factor >= AMBER_FROM ? (
            <span className="warn-text strong">{words.times(factor)}</span>
          ) : (
            <span className="faint">{factor >= TOLD_FROM ? words.times(factor) : words.normal}</span>
          ))}
      </td>
    </>
  );
}
