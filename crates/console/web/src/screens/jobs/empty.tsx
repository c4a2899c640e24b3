import { useQueries } from '@tanstack/react-query';
import { api, call } from '../../api/client';
import { Blank } from '../../parts/Blank';
import { Button, LinkButton } from '../../parts/Button';
import { useCan } from '../../shell/workspace';
import { words } from '../../words/en/jobs';
import { apiFilter, type Query } from './filter';

/** A workspace without jobs. */
export function NoJobs() {
  const can = useCan();
  return (
    <Blank
      icon="jobs"
      title={words.none}
      action={
        can('jobs:write') && (
          <>
            <LinkButton icon="copy" href="/import">
              {words.import}
            </LinkButton>
            <LinkButton icon="plus" href="/jobs/new">
              {words.newJob}
            </LinkButton>
          </>
        )
      }
    >
      {words.noneWhy}
    </Blank>
  );
}

interface Props {
  query: Query;
  onChange: (query: Query) => void;
}

/** Nothing matches all chips: how many each of them alone leaves, and a button to drop it. */
export function NoMatch({ query, onChange }: Props) {
  const parts = [
    ...query.chips.map((chip) => ({
      ...chip,
      without: { ...query, chips: query.chips.filter((it) => it !== chip) },
    })),
    ...(query.text ? [{ key: 'q', value: query.text, without: { ...query, text: '' } }] : []),
  ];
  const counts = useQueries({
    queries: parts.map(({ key, value }) => {
      const filter =
        key === 'q'
          ? { q: value }
          : apiFilter({ text: '', chips: query.chips.filter((it) => it.key === key) });
      return {
        queryKey: ['jobs', 'counts', filter],
        queryFn: () => call(api.GET('/v1/jobs/counts', { params: { query: filter } })),
      };
    }),
  });
  const known = parts.flatMap(({ key, value }, at) => {
    const n = counts[at]?.data?.all;
    return n === undefined ? [] : [{ n, said: words.chipMany(key, value, n) }];
  });
  return (
    <Blank
      icon="filter"
      title={words.noMatch(parts.map(({ key, value }) => words.chip(key, value)))}
      action={
        <>
          {parts.length > 1 &&
            parts.map(({ key, value, without }) => (
              <Button key={key} onClick={() => onChange(without)}>
                {words.drop(value)}
              </Button>
            ))}
          <Button onClick={() => onChange({ ...query, text: '', chips: [] })}>{words.clearAll}</Button>
        </>
      }
    >
      {parts.length > 1 && known.length === parts.length && words.noMatchOne(known)}
    </Blank>
  );
}
