import { useState } from 'react';
import { Button } from '../../parts/Button';
import { TextField } from '../../parts/Field';
import { words } from '../../words/en/editor';
import type { FormProps } from './form';
import { TagsField } from './TagsField';

/** What the job is called. */
export function JobSection({ draft, set, errors, changed, isNew }: FormProps & { isNew: boolean }) {
  const [withKey, setWithKey] = useState(draft.key !== '');
  return (
    <section>
      <h2>{words.job}</h2>
      <div>
        <div className="named">
          <TextField
            label={words.name}
            labelHidden
            placeholder={words.namePlaceholder}
            value={draft.name}
            maxLength={200}
            autoFocus={isNew}
            changed={changed.has('/name')}
            error={errors['/name']}
            onChange={(name) => set({ name })}
          />
          <TagsField tags={draft.tags} onChange={(tags) => set({ tags })} error={errors['/tags']} />
        </div>
        {withKey || errors['/key'] ? (
          <TextField
            label={words.key}
            mono
            value={draft.key}
            maxLength={100}
            spellCheck={false}
            hint={words.keyHint}
            changed={changed.has('/key')}
            error={errors['/key']}
            onChange={(key) => set({ key })}
          />
        ) : (
          <div>
            <Button small kind="ghost" icon="plus" onClick={() => setWithKey(true)}>
              {words.addKey}
            </Button>
          </div>
        )}
      </div>
    </section>
  );
}
