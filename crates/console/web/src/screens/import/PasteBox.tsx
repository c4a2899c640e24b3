import { Button } from '../../parts/Button';
import { TextField } from '../../parts/Field';
import { Glyph, type GlyphName } from '../../parts/Glyph';
import { words } from '../../words/en/import';
import '../../parts/Paste.css';
import { type ImportState, isUnknownFormat } from './useImport';

const MIN_ROWS = 4;
const MAX_ROWS = 14;

/** Where text is pasted, and what it was recognised as. */
export function PasteBox({ state }: { state: ImportState }) {
  const { text, setText } = state;
  const rows = Math.min(MAX_ROWS, Math.max(MIN_ROWS, text.split('\n').length));
  return (
    <>
      <div className="paste">
        <textarea
          aria-label={words.pasteLabel}
          placeholder={words.placeholder}
          spellCheck={false}
          autoComplete="off"
          rows={rows}
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
        <footer>
          <Said state={state} />
          {/* biome-ignore lint/a11y/useSemanticElements: a fieldset would draw a frame and a legend */}
          <div className="btns" role="group" aria-label={words.samplesLabel}>
            {text === '' ? (
              words.samples.map(([label, sample]) => (
                <Button key={label} small kind="ghost" onClick={() => setText(sample)}>
                  {label}
                </Button>
              ))
            ) : (
              <Button small kind="ghost" icon="x" onClick={() => setText('')}>
                {words.clear}
              </Button>
            )}
          </div>
        </footer>
      </div>
      {state.isVercel && (
        <div className="under base-url">
          <TextField
            label={words.baseUrl}
            hint={words.baseUrlHint}
            mono
            type="url"
            placeholder="https://app.example.com"
            value={state.baseUrl}
            onChange={state.setBaseUrl}
          />
        </div>
      )}
    </>
  );
}

function Said({ state }: { state: ImportState }) {
  const [glyph, text] = verdict(state);
  return (
    <span className="said" role="status">
      {glyph && <Glyph name={glyph} size={14} />}
      <span>{text}</span>
    </span>
  );
}

function verdict({ text, read, error, isReading }: ImportState): [GlyphName | null, string] {
  if (text.trim() === '') return [null, words.empty];
  if (error) return ['warn', isUnknownFormat(error) ? words.notRead : error.message];
  if (!read) return [null, isReading ? words.reading : words.empty];
  const refused = read.findings.filter((it) => it.level === 'refused').length;
  if (read.entries.length === 0) return ['bad', words.nothing(read.format)];
  const [only] = read.entries;
  if (only && read.entries.length === 1 && refused === 0) {
    return ['ok', words.single(read.format, only.job.request.method ?? 'GET', only.credentials.length)];
  }
  return ['ok', words.several(read.format, read.entries.length, refused)];
}
