import { useState } from 'react';
import {
  type Channel,
  type ChannelInput,
  type ChannelType,
  useChangeChannel,
  useCreateChannel,
} from '../../api/queries/channels';
import { Choice } from '../../parts/Choice';
import { AreaField, TextField } from '../../parts/Field';
import { toast } from '../../parts/toasts';
import { words } from '../../words/en/notifications';
import { FormDialog } from '../configure/FormDialog';

const TYPES: readonly ChannelType[] = ['webhook', 'slack', 'discord', 'email'];

/** A new channel, or a change of one. The destination of a channel is a credential: it can be replaced, not read. */
export function ChannelForm({ channel, onClose }: { channel?: Channel; onClose: () => void }) {
  const create = useCreateChannel();
  const change = useChangeChannel();
  const [name, setName] = useState(channel?.name ?? '');
  const [type, setType] = useState<ChannelType>((channel?.type as ChannelType) ?? 'webhook');
  const [destination, setDestination] = useState('');
  async function submit() {
    const config = configOf(type, destination);
    if (!channel) {
      await create.mutateAsync({ name: name.trim(), type, config });
      toast({ text: words.created(name.trim()) });
    } else {
      const patch = { name: name.trim(), ...(destination.trim() && { config }) };
      await change.mutateAsync({ id: channel.id, patch });
      toast({ text: words.changed(name.trim()) });
    }
    onClose();
  }
  return (
    <FormDialog
      title={channel ? words.changeTitle(channel.name) : words.newTitle}
      confirm={channel ? words.save : words.create}
      onSubmit={submit}
      onClose={onClose}
    >
      {(errorOf) => (
        <>
          {!channel && (
            <div className="field">
              <span className="label">{words.type}</span>
              <div>
                <Choice
                  label={words.type}
                  value={type}
                  options={TYPES.map((value) => ({ value, label: words.types[value] ?? value }))}
                  onChange={setType}
                />
              </div>
            </div>
          )}
          <TextField
            label={words.name}
            value={name}
            onChange={setName}
            required
            autoFocus
            maxLength={200}
            hint={words.nameHint}
            error={errorOf('/name')}
          />
          <Destination
            type={type}
            value={destination}
            onChange={setDestination}
            isKept={channel !== undefined}
            errorOf={errorOf}
          />
        </>
      )}
    </FormDialog>
  );
}

interface DestinationProps {
  type: ChannelType;
  value: string;
  onChange: (value: string) => void;
  /** There is a destination, which stays if nothing is typed. */
  isKept: boolean;
  errorOf: (pointer: string) => string | undefined;
}

function Destination({ type, value, onChange, isKept, errorOf }: DestinationProps) {
  const kept = isKept ? ` ${words.keep}` : '';
  if (type === 'email') {
    const at = [...Array(10).keys()].map((index) => errorOf(`/config/to/${index}`)).find(Boolean);
    return (
      <AreaField
        label={words.addresses}
        rows={3}
        required={!isKept}
        spellCheck={false}
        value={value}
        onChange={onChange}
        hint={words.addressesHint + kept}
        error={errorOf('/config/to') ?? at ?? errorOf('/config')}
      />
    );
  }
  return (
    <TextField
      label={words.url}
      type="url"
      mono
      required={!isKept}
      maxLength={2048}
      value={value}
      onChange={onChange}
      placeholder={words.urlExample(type)}
      hint={words.urlHint(type) + kept}
      error={errorOf('/config/url') ?? errorOf('/config')}
    />
  );
}

function configOf(type: ChannelType, destination: string): ChannelInput['config'] {
  if (type !== 'email') return { url: destination.trim() };
  return { to: destination.split(/[\s,;]+/).filter(Boolean) };
}
