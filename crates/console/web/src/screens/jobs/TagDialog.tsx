import { type FormEvent, useId, useState } from 'react';
import type { JobsAction } from '../../api/queries/bulk';
import { Button } from '../../parts/Button';
import { Dialog } from '../../parts/Dialog';
import { TextField } from '../../parts/Field';
import { common } from '../../words/en';
import { words } from '../../words/en/jobs';

interface Props {
  n: number;
  /** The tags that some of the jobs have. */
  tags: readonly string[];
  isBusy: boolean;
  act: (action: JobsAction) => void;
  onClose: () => void;
}

/** Adds a tag to jobs, or removes one that some of them have. */
export function TagDialog({ n, tags, isBusy, act, onClose }: Props) {
  const [tag, setTag] = useState('');
  const id = useId();
  const name = tag.trim();
  const has = tags.includes(name);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (name) act({ action: 'add_tags', tags: [name] });
  };
  return (
    <Dialog
      title={words.askTag(n)}
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>{common.cancel}</Button>
          {has && (
            <Button busy={isBusy} onClick={() => act({ action: 'remove_tags', tags: [name] })}>
              {words.removeTag}
            </Button>
          )}
          <Button kind="solid" type="submit" form={id} busy={isBusy}>
            {words.addTag}
          </Button>
        </>
      }
    >
      <form id={id} className="tag-form" onSubmit={submit}>
        <TextField
          label={words.tagName}
          hint={words.tagHint}
          value={tag}
          onChange={setTag}
          list={`${id}-tags`}
          maxLength={64}
          required
          autoFocus
        />
        <datalist id={`${id}-tags`}>
          {tags.map((it) => (
            <option key={it} value={it} />
          ))}
        </datalist>
      </form>
    </Dialog>
  );
}
