import type { Run } from '../../api/queries/executions';
import { useSentRequest } from '../../api/queries/run';
import { Loaded } from '../../parts/Loaded';
import { BlockBar } from '../../parts/Loading';
import { Section } from '../../parts/Section';
import { Wire } from '../../parts/Wire';
import { words } from '../../words/en/run';
import { requestLines, requestText } from './requestLines';

/** The request as it was sent, with secrets as names. */
export function RequestSection({ run, attempt }: { run: Run; attempt: number }) {
  const query = useSentRequest(run.id, attempt);
  return (
    <Section title={words.request} end={<span className="small dim">{words.requestNote}</span>}>
      <Loaded query={query} bars={<BlockBar height={14} />}>
        {(sent) => <Wire label={words.requestLabel} lines={requestLines(sent)} copy={requestText(sent)} />}
      </Loaded>
    </Section>
  );
}
