import { useState } from 'react';
import { BodyField } from '../../parts/BodyField';
import { Combobox } from '../../parts/Combobox';
import { CronField } from '../../parts/CronField';
import { AreaField, CheckField, SelectField, TextField } from '../../parts/Field';
import { type HeaderRow, HeadersField } from '../../parts/HeadersField';
import { type Chip, QueryBar } from '../../parts/QueryBar';
import { Section } from '../../parts/Section';

const ZONES = ['Europe/Berlin', 'Europe/London', 'America/New_York', 'Australia/Sydney', 'UTC'];

/** Fields in their states. */
export function FieldStates() {
  const [text, setText] = useState('Close daily books');
  const [zone, setZone] = useState('Europe/Berlin');
  const [cron, setCron] = useState('30 2 * * *');
  const [body, setBody] = useState('{\n  "day": "yesterday",\n}');
  const [checked, setChecked] = useState(true);
  const [query, setQuery] = useState<{ text: string; chips: readonly Chip[] }>({
    text: '',
    chips: [{ key: 'host', value: 'api.example.com' }],
  });
  const [rows, setRows] = useState<readonly HeaderRow[]>([
    { name: 'Authorization', value: 'Bearer secret://billing-api' },
    { name: 'X-Key', value: 'secret://missing' },
  ]);
  return (
    <>
      <Section title="Filter">
        <QueryBar
          label="Filter jobs"
          placeholder="Filter by name, or type host: tag:"
          text={query.text}
          chips={query.chips}
          keys={[
            {
              key: 'host',
              hint: 'the host that is called',
              values: ['api.example.com', 'files.example.net'],
            },
            { key: 'tag', hint: 'a tag', values: ['billing', 'money'] },
            {
              key: 'state',
              hint: 'active, paused, draft',
              values: ['active', 'paused', 'draft', 'completed'],
            },
          ]}
          onChange={setQuery}
        />
      </Section>
      <Section title="Fields">
        <div className="two-up">
          <TextField
            label="Name"
            value={text}
            onChange={setText}
            changed
            hint="Shown in lists and notifications."
          />
          <TextField
            label="URL"
            mono
            value="http:/"
            onChange={() => undefined}
            error="This is not a URL: it has no host."
          />
          <SelectField
            label="Method"
            value="POST"
            onChange={() => undefined}
            options={[
              { value: 'GET', label: 'GET' },
              { value: 'POST', label: 'POST' },
            ]}
          />
          <Combobox
            label="Time zone"
            value={zone}
            onChange={setZone}
            options={ZONES.map((it) => ({ value: it, label: it }))}
          />
          <AreaField label="Note" value="" onChange={() => undefined} placeholder="Why?" />
          <CheckField
            label="Use shortcuts of a single key"
            checked={checked}
            onChange={setChecked}
            hint="J, K, X, …"
          />
          <CronField value={cron} onChange={setCron} />
          <CronField
            value="61 2 * * *"
            onChange={() => undefined}
            error="minute: 61 is not between 0 and 59."
          />
          <HeadersField rows={rows} onChange={setRows} secrets={['billing-api', 'crm-token']} />
          <BodyField label="Body" value={body} onChange={setBody} json maxBytes={65_536} />
        </div>
      </Section>
    </>
  );
}
