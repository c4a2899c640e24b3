import { useLocation } from 'wouter';
import { type Member, useRemoveMember } from '../../api/queries/members';
import { loadSession, useUser } from '../../api/session';
import { toast } from '../../parts/toasts';
import { useWorkspace } from '../../shell/workspace';
import { words } from '../../words/en/members';
import { AskAndDo } from '../configure/AskAndDo';

/** The question before a member is removed, or leaves. */
export function RemoveMember({ member, onClose }: { member: Member; onClose: () => void }) {
  const remove = useRemoveMember();
  const me = useUser();
  const workspace = useWorkspace();
  const [, navigate] = useLocation();
  const name = member.user.name || member.user.email;
  const isMe = member.user.id === me.id;
  async function confirm() {
    await remove.mutateAsync(member.user.id);
    if (!isMe) {
      toast({ text: words.removed(name) });
      return;
    }
    navigate('~/');
    await loadSession();
  }
  return (
    <AskAndDo
      title={isMe ? words.askLeave(workspace.name) : words.askRemove(name)}
      confirm={isMe ? words.leave : words.remove}
      onConfirm={confirm}
      onClose={onClose}
    >
      <p>{isMe ? words.askLeaveWhy : words.askRemoveWhy(workspace.name)}</p>
    </AskAndDo>
  );
}
