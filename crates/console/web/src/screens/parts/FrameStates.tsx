import { Problem } from '../../api/problem';
import { Blank } from '../../parts/Blank';
import { Boundary } from '../../parts/Boundary';
import { BulkBar } from '../../parts/BulkBar';
import { Button } from '../../parts/Button';
import { Card } from '../../parts/Card';
import { Diff, DiffLine } from '../../parts/Diff';
import { ErrorPanel } from '../../parts/ErrorPanel';
import { Bars, BlockBar } from '../../parts/Loading';
import { Say } from '../../parts/Say';
import { Section } from '../../parts/Section';
import { Wire } from '../../parts/Wire';
import { headerLines, hexLines, jsonLines, textLines } from '../../parts/wireLines';

const BODY =
  '{"batch":"ren-13","charged":418,"big":12345678901234567890,"token":"••••","empty":[],"list":[1,true,null]}';
const UNAVAILABLE = new Problem(
  503,
  {
    title: 'The database is unreachable',
    detail: 'Runs that come due follow each job’s policy.',
    request_id: '7f3c0a12b4c5d691',
  },
  30,
);

function Fails(): never {
  throw new Error('This part fails on purpose.');
}

/** Sentences, blanks, errors, loading, wires, differences. */
export function FrameStates() {
  return (
    <>
      <Section title="Say">
        <div className="two-up">
          <Say tone="bad" action={<Button small>Compare v7 and v8</Button>}>
            <strong>files.example.net responds 504 to every attempt.</strong> 13 runs in a row have failed.
          </Say>
          <Say tone="warn">
            <strong>It will fail at 15:00.</strong> The secret <code>crm-token</code> does not exist.
          </Say>
          <Say tone="plan">
            <strong>It is paused until Friday.</strong>
          </Say>
          <Say tone="ok" news>
            <strong>It is well again.</strong>
          </Say>
        </div>
      </Section>
      <Section title="Blank, error, loading">
        <div className="two-up">
          <Blank
            icon="filter"
            title="No job calls api.example.com and is paused"
            action={<Button>Drop “paused”</Button>}
          >
            12 jobs call that host and 38 are paused; none is both.
          </Blank>
          <ErrorPanel error={UNAVAILABLE} onRetry={() => undefined} />
          <Boundary>
            <Fails />
          </Boundary>
          <Bars rows={4} />
          <BlockBar height={8} />
          <Card title="Preview" end="next 5 runs">
            <p className="words">At 02:30 every day</p>
          </Card>
        </div>
      </Section>
      <Section title="Wire">
        <div className="two-up">
          <Wire label="Body of the response" lines={jsonLines(BODY) ?? []} copy={BODY} />
          <Wire
            label="Headers"
            lines={headerLines([
              { name: 'authorization', value: 'Bearer secret://billing-api' },
              { name: 'content-type', value: 'application/json' },
            ])}
          />
          <Wire
            label="Hostile text"
            lines={textLines('admin\u202e}gnp.exe\u0007\n<img src=x onerror=alert(1)>')}
          />
          <Wire label="Bytes" lines={hexLines(btoa('GIF89a\u0001\u0000 a picture of a cat')) ?? []} />
        </div>
      </Section>
      <Section title="Diff">
        <DiffLine change={{ field: 'schedule.cron', before: '0 2 * * *', after: '30 2 * * *' }} />
        <Diff
          before="v7"
          after="v8"
          changes={[
            {
              field: '/request/url',
              before: 'https://files.example.net/v1',
              after: 'https://files.example.net/v2',
            },
            { field: '/tags', before: undefined, after: '["export"]' },
          ]}
        />
        <Diff
          before="Yours"
          after="Theirs"
          changes={[{ field: '/request/timeout_seconds', before: '30', after: '60' }]}
          choice={{ kept: () => 'before', onKeep: () => undefined }}
        />
      </Section>
      <BulkBar
        label="3 jobs"
        selected={3}
        selectAll={{ total: 1284, onSelect: () => undefined }}
        onNone={() => undefined}
      >
        <Button kind="ghost" icon="pause">
          Pause
        </Button>
        <Button kind="ghost" icon="play">
          Resume
        </Button>
      </BulkBar>
    </>
  );
}
