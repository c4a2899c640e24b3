import { type FormEvent, useId, useState } from 'react';
import type { JobsAction } from '../../api/queries/bulk';
import { Button } from '../../parts/Button';
import { Dialog } from '../../parts/Dialog';
import { SelectField, TextField } from '../../parts/Field';
import { common } from '../../words/en';
import { words } from '../../words/en/jobs';
import { FIELDS, type FieldName, patchOf } from './change';

interface Props {
  n: number;
  isBusy: boolean;
  act: (action: JobsAction) => void;
  onClose: () => void;
}

/** Gives one field of many jobs the same value. */
export function ChangeDialog({ n, isBusy, act, onClose }: Props) {
  const [field, setField] = useState<FieldName>('timeout');
  const [value, setValue] = useState('');
  const id = useId();
  const { options, type, max } = FIELDS[field];
  const patch = patchOf(field, value || (options?.[0] ?? ''));
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (patch) act({ action: 'patch', patch });
  };
  return (
    <Dialog
      title={words.askChange(n)}
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>{common.cancel}</Button>
          <Button kind="solid" type="submit" form={id} busy={isBusy}>
            {words.apply}
          </Button>
        </>
      }
    >
      <form id={id} className="change-form" onSubmit={submit}>
        <SelectField
          label={words.changeField}
          value={field}
          options={(Object.keys(FIELDS) as FieldName[]).map((name) => ({
            value: name,
            label: words.fields[name],
          }))}
          onChange={(next) => {
            setField(next);
            setValue('');
          }}
        />
        {options ? (
          <SelectField
            label={words.changeValue}
            hint={words.changeHint}
            value={value || (options[0] ?? '')}
            options={options.map((it) => ({ value: it, label: it }))}
            onChange={setValue}
          />
        ) : (
          <TextField
            label={words.changeValue}
            hint={words.changeHint}
            type={type}
            min={1}
            max={max}
            required
            value={value}
            onChange={setValue}
          />
        )}
      </form>
    </Dialog>
  );
}
