import { useState } from 'react';
import { Ask } from '../../parts/Ask';
import { Badge } from '../../parts/Badge';
import { Button, LinkButton } from '../../parts/Button';
import { Choice } from '../../parts/Choice';
import { CopyButton } from '../../parts/CopyButton';
import { Fact, Facts } from '../../parts/Facts';
import { FigureRow, Figures } from '../../parts/Figures';
import type { GlyphName } from '../../parts/Glyph';
import { Id } from '../../parts/Id';
import { In } from '../../parts/In';
import { Menu } from '../../parts/Menu';
import { Method } from '../../parts/Method';
import { Section } from '../../parts/Section';
import { Status } from '../../parts/Status';
import { LinkTabs, Tabs } from '../../parts/Tabs';
import { Tag } from '../../parts/Tag';
import { Toasts } from '../../parts/Toasts';
import { toast } from '../../parts/toasts';
import { PlainWhen, When } from '../../parts/When';
import { now } from '../../time';

const GLYPHS: GlyphName[] = [
  'ok',
  'bad',
  'warn',
  'retry',
  'run',
  'queue',
  'skip',
  'cancel',
  'pause',
  'draft',
  'done',
  'plan',
];

/** Buttons, choices, outcomes, times, figures. */
export function ThingStates() {
  const [period, setPeriod] = useState('24h');
  const [tab, setTab] = useState('response');
  const [asked, setAsked] = useState(false);
  return (
    <>
      <Section title="Button">
        <div className="shelf">
          <Button kind="solid" icon="plus" keys="C">
            New job
          </Button>
          <Button icon="pause">Pause</Button>
          <Button busy>Saving</Button>
          <Button refused="Members cannot delete jobs.">Delete</Button>
          <Button kind="ghost" icon="copy">
            Copy as curl
          </Button>
          <Button kind="danger" icon="trash" onClick={() => setAsked(true)}>
            Delete
          </Button>
          <Button small>Small</Button>
          <Button icon="more" label="More" />
          <Button kind="ghost" small icon="x" label="Close" />
          <LinkButton href="/parts" iconEnd="right">
            A link
          </LinkButton>
          <CopyButton text="curl">Copy as curl</CopyButton>
          <Menu
            items={[
              { label: 'All hosts', checked: true },
              { label: 'api.example.com', checked: false, note: '187 jobs' },
              'line',
              { label: 'Delete', icon: 'trash', danger: true, refused: 'Members cannot delete jobs.' },
            ]}
          >
            All hosts
          </Menu>
          <Button onClick={() => toast({ text: 'Paused 3 jobs.', undo: async () => undefined })}>
            Toast
          </Button>
          <Button onClick={() => toast({ text: 'Could not pause 3 jobs.', tone: 'failed' })}>Failed</Button>
        </div>
      </Section>
      {asked && (
        <Ask
          title="Delete 12 jobs?"
          confirm="Delete 12 jobs"
          typed="12"
          onConfirm={() => setAsked(false)}
          onClose={() => setAsked(false)}
        >
          Their runs are deleted too. This cannot be undone.
        </Ask>
      )}
      <Section title="Choice and tabs">
        <div className="shelf">
          <Choice
            label="Period"
            value={period}
            onChange={setPeriod}
            options={[
              { value: '1h', label: '1 h' },
              { value: '24h', label: '24 h' },
              { value: '7d', label: '7 d' },
              { value: '30d', label: '30 d', refused: 'Runs are kept 7 days.' },
            ]}
          />
        </div>
        <LinkTabs
          label="Views"
          chosen="all"
          href={() => '/parts'}
          tabs={[
            { id: 'all', label: 'All', note: '1,284' },
            { id: 'failing', label: 'Failing', note: 4, bad: true },
          ]}
        />
        <Tabs
          id="demo"
          label="Response"
          chosen={tab}
          onChoose={setTab}
          tabs={[
            { id: 'response', label: 'Response' },
            { id: 'headers', label: 'Headers', note: 11 },
          ]}
        >
          <p className="dim">{tab}</p>
        </Tabs>
      </Section>
      <Section title="Status, badge, tag, method, id">
        <div className="shelf">
          {GLYPHS.map((glyph) => (
            <Status key={glyph} glyph={glyph}>
              {glyph}
            </Status>
          ))}
        </div>
        <div className="shelf">
          {GLYPHS.map((glyph) => (
            <Badge key={glyph} glyph={glyph}>
              {glyph}
            </Badge>
          ))}
          <Tag>billing</Tag>
          <Method>POST</Method>
          <Id id="exe_01m8q3k7v2c9d5f1t8w4x6y0za" />
        </div>
      </Section>
      <Section title="When and in">
        <div className="shelf">
          <When at={now()} zone="Europe/Berlin" millis />
          <When at={now() + 86_400_000} zone="America/New_York" />
          <PlainWhen at={now() - 40 * 86_400_000} />
          <When at={null} />
          <In at={now() + 173_000} />
        </div>
      </Section>
      <Section title="Facts and figures">
        <Facts>
          <Fact name="Lateness">0.4 ms</Fact>
          <Fact name="Trace">{null}</Fact>
        </Facts>
        <FigureRow
          figures={[
            { name: 'Succeeded, 7 days', value: '98.1%' },
            { name: 'Duration p50', value: '6.2', unit: 's' },
            { name: 'Duration p95', value: null },
          ]}
        />
        <Figures
          figures={[
            { name: 'Succeeded', value: '99.93%', note: '41 of 58,874 runs failed' },
            { name: 'Lateness p99', value: '1.7', unit: 'ms', note: 'p50 0.2 ms' },
            { name: 'Duration p95', value: null, note: null },
            { name: 'Now', value: '7', unit: 'running', note: '3 retrying' },
            { name: 'Ledger', value: '0', unit: 'gaps', note: '58,912 due' },
          ]}
        />
      </Section>
      <Toasts />
    </>
  );
}
