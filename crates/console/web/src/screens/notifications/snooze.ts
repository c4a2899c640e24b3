import { Problem } from '../../api/problem';
import { type Channel, useSnoozeChannel } from '../../api/queries/channels';
import type { MenuItem } from '../../parts/Menu';
import { toast } from '../../parts/toasts';
import { now, viewerZone, when } from '../../time';
import { words } from '../../words/en/notifications';

const HOURS: readonly number[] = [1, 8, 24, 168];

/** The items of a menu that snooze a channel, or end its snooze. */
export function useSnoozeItems(channel: Channel): MenuItem[] {
  const snooze = useSnoozeChannel();
  const before = channel.snoozed_until;
  async function set(until: string | null) {
    try {
      await snooze.mutateAsync({ id: channel.id, until });
      toast({
        text:
          until === null ? words.awake(channel.name) : words.snoozed(channel.name, when(until, viewerZone())),
        undo: () => snooze.mutateAsync({ id: channel.id, until: before }),
      });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      toast({ text: error.message, tone: 'failed' });
    }
  }
  if (before !== null) return [{ label: words.endSnooze, icon: 'play', onSelect: () => void set(null) }];
  return HOURS.map((hours) => ({
    label: words.snoozeFor(hours),
    icon: 'pause',
    onSelect: () => void set(new Date(now() + hours * 3_600_000).toISOString()),
  }));
}
