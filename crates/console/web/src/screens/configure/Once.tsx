import { Button } from '../../parts/Button';
import { CopyButton } from '../../parts/CopyButton';
import { Dialog } from '../../parts/Dialog';
import { words } from '../../words/en/configure';

interface Props {
  title: string;
  /** What it is for, and who should get it. */
  text: string;
  /** What is shown once. */
  secret: string;
  /** The name of the secret, for the button that copies it. */
  name: string;
  /** A command to try it with. */
  example?: string;
  /** The label of its button. */
  done?: string;
  onClose: () => void;
}

/** A secret that no response contains again. Only its button closes it: it is easily lost. */
export function Once({ title, text, secret, name, example, done = words.stored, onClose }: Props) {
  return (
    <Dialog
      title={title}
      onClose={null}
      footer={
        <Button kind="solid" onClick={onClose}>
          {done}
        </Button>
      }
    >
      <p>{text}</p>
      <Copied text={secret} name={name} />
      {example && (
        <>
          <p className="small">{words.tryIt}</p>
          <Copied text={example} name={words.command} />
        </>
      )}
    </Dialog>
  );
}

/** A line that a program reads, with a button that copies it. */
export function Copied({ text, name }: { text: string; name: string }) {
  return (
    <div className="copied">
      <input
        className="input mono"
        readOnly
        aria-label={name}
        value={text}
        onFocus={(event) => event.target.select()}
      />
      <CopyButton kind="plain" text={text}>
        {words.copy}
      </CopyButton>
    </div>
  );
}
