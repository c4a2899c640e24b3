import { type KeyboardEvent, useId, useState } from 'react';
import { FieldError } from '../../parts/Field';
import { Icon } from '../../parts/Icon';
import { words } from '../../words/en/editor';
import '../../parts/QueryBar.css';

interface Props {
  tags: readonly string[];
  onChange: (tags: string[]) => void;
  error?: string | undefined;
}

/** Tags as chips: Enter or a comma ends one, Backspace takes the last. */
export function TagsField({ tags, onChange, error }: Props) {
  const [text, setText] = useState('');
  const errorId = useId();
  const add = (typed: string) => {
    const added = typed.split(',').map((it) => it.trim());
    const all = [...new Set([...tags, ...added.filter((it) => it !== '')])];
    if (all.length > tags.length) onChange(all);
    setText('');
  };
  function press(event: KeyboardEvent) {
    if (event.key === 'Enter' && !event.metaKey && !event.ctrlKey && text.trim() !== '') add(text);
    else if (event.key === 'Backspace' && text === '' && tags.length > 0) onChange(tags.slice(0, -1));
    else return;
    event.preventDefault();
  }
  return (
    <div>
      <div className="query tags-field">
        <Icon name="tag" size={14} />
        {tags.map((tag) => (
          <span className="chip" key={tag}>
            <span className="cut">{tag}</span>
            <button
              type="button"
              aria-label={words.removeTag(tag)}
              onClick={() => onChange(tags.filter((it) => it !== tag))}
            >
              <Icon name="x" size={10} />
            </button>
          </span>
        ))}
        <input
          type="text"
          aria-label={words.tags}
          aria-invalid={error ? true : undefined}
          aria-describedby={error ? errorId : undefined}
          autoComplete="off"
          placeholder={words.tagPlaceholder}
          value={text}
          onChange={(event) =>
            event.target.value.endsWith(',') ? add(event.target.value) : setText(event.target.value)
          }
          onKeyDown={press}
          onBlur={() => add(text)}
        />
      </div>
      {error && <FieldError id={errorId}>{error}</FieldError>}
    </div>
  );
}
