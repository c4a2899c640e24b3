import { Link } from 'wouter';
import type { Run } from '../../api/queries/executions';
import { Blank } from '../../parts/Blank';
import { Button, LinkButton } from '../../parts/Button';
import { useViewerZone } from '../../time';
import { words } from '../../words/en/runs';
import { chipValue, type Query, toShown } from './filter';

interface Props {
  query: Query;
  onChange: (query: Query) => void;
  /** Searches further back, where there are older runs. */
  onOlder: (() => void) | null;
}

const MAX_DROPS = 4;

/** Why the list is empty, and the way on. */
export function NoRuns({ query, onChange, onOlder }: Props) {
  const zone = useViewerZone();
  const { chips, text } = query;
  if (chips.length === 0 && !text) {
    return (
      <Blank icon="runs" title={words.none} action={<LinkButton href="/jobs">{words.seeJobs}</LinkButton>}>
        <p>{words.noneWhy}</p>
      </Blank>
    );
  }
  const shown = chips.map((chip) => toShown(chip, zone));
  const said = [
    ...(text ? [words.chip('q', text)] : []),
    ...shown.map((chip) => words.chip(chip.key, chip.value)),
  ];
  return (
    <Blank
      icon="filter"
      title={words.noMatch(said)}
      action={
        <>
          {onOlder && (
            <Button kind="solid" onClick={onOlder}>
              {words.older}
            </Button>
          )}
          {shown.slice(0, MAX_DROPS).map((chip, index) => (
            <Button
              key={chip.key}
              icon="x"
              onClick={() => onChange({ text, chips: chips.filter((_, place) => place !== index) })}
            >
              {words.drop(`${chip.key}:${chip.value}`)}
            </Button>
          ))}
          <Button onClick={() => onChange({ text: '', chips: [] })}>{words.clearAll}</Button>
        </>
      }
    >
      <p>{onOlder ? words.olderWhy : words.noMatchWhy}</p>
    </Blank>
  );
}

/** The name of the job, where the filter has only its id. */
export function JobOf({ query, rows }: { query: Query; rows: readonly Run[] }) {
  const job = chipValue(query, 'job');
  const [first] = rows;
  if (!job || !first) return null;
  return (
    <p className="runs-of">
      {words.ofJob} <Link href={`/jobs/${first.job_id}`}>{first.job_name}</Link>
    </p>
  );
}
