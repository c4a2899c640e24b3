import { useState } from 'react';
import { count } from '../format';
import { words } from '../words/en/parts';
import { Button } from './Button';
import { CopyButton } from './CopyButton';
import type { WireLine, WirePart } from './wireLines';
import './Wire.css';

const MAX_LINES_AT_FIRST = 500;
const CLASSES = { key: 'k', string: 's', number: 'n', aside: 'x', secret: 'sec-ref', strong: 'strong' };

interface Props {
  /** What it is: *Body of the response*. */
  label: string;
  lines: readonly WireLine[];
  /** The text to copy, where it can be copied. */
  copy?: string;
}

/** A request or a response as text, with numbered lines. Nothing in it is ever HTML, or a link. */
export function Wire({ label, lines, copy }: Props) {
  const [whole, setWhole] = useState(false);
  const shown = whole ? lines : lines.slice(0, MAX_LINES_AT_FIRST);
  return (
    <div className="wire-box">
      {/* biome-ignore lint/a11y/useSemanticElements: what scrolls must be reachable by keyboard, and have a name */}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls */}
      <div className="wire" tabIndex={0} role="region" aria-label={label}>
        {shown.map((line, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a line is its number
          <span key={index} data-n={count(index + 1)}>
            {line.map((part, place) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: a part is its place
              <Part key={place} part={part} />
            ))}
          </span>
        ))}
      </div>
      {copy !== undefined && <CopyButton small text={copy} label={words.copyName(label)} />}
      {shown.length < lines.length && (
        <Button small onClick={() => setWhole(true)}>
          {words.showAllLines(lines.length)}
        </Button>
      )}
    </div>
  );
}

function Part({ part }: { part: WirePart }) {
  if (typeof part === 'string') return part;
  return <span className={CLASSES[part.is]}>{part.text}</span>;
}
