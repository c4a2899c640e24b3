import { useState } from 'react';
import { Problem } from '../../api/problem';
import {
  type Invitation,
  type Member,
  type Role,
  useChangeRole,
  useMembers,
} from '../../api/queries/members';
import { loadSession, useUser } from '../../api/session';
import { Button } from '../../parts/Button';
import { Loaded } from '../../parts/Loaded';
import { Bars } from '../../parts/Loading';
import { Menu, type MenuItem } from '../../parts/Menu';
import { type Column, Table } from '../../parts/Table';
import { toast } from '../../parts/toasts';
import { PlainWhen } from '../../parts/When';
import { useWorkspace } from '../../shell/workspace';
import { words } from '../../words/en/members';
import { Head } from '../configure/Head';
import { Invitations } from './Invitations';
import { InvitationOnce, Invite } from './Invite';
import { RemoveMember } from './RemoveMember';
import { mayGive, ROLES } from './roles';
import './members.css';

type Asked =
  | { is: 'invite' }
  | { is: 'once'; invitation: Invitation }
  | { is: 'remove'; member: Member }
  | null;

/** The members with their roles, and the invitations that can still be accepted. */
export function MemberList() {
  const query = useMembers();
  const [asked, setAsked] = useState<Asked>(null);
  const close = () => setAsked(null);
  function made(invitation: Invitation) {
    // A server that sends e-mail has sent it, and does not show it.
    if (invitation.invitation) return setAsked({ is: 'once', invitation });
    close();
    toast({ text: words.sent(invitation.email) });
  }
  return (
    <>
      <Head
        title={words.title}
        end={
          <Button kind="solid" icon="plus" onClick={() => setAsked({ is: 'invite' })}>
            {words.invite}
          </Button>
        }
      >
        {words.about}
      </Head>
      <Loaded query={query} bars={<Bars rows={4} />}>
        {({ data }) => <Rows rows={data} onRemove={(member) => setAsked({ is: 'remove', member })} />}
      </Loaded>
      <Invitations />
      {asked?.is === 'invite' && <Invite onMade={made} onClose={close} />}
      {asked?.is === 'once' && <InvitationOnce invitation={asked.invitation} onClose={close} />}
      {asked?.is === 'remove' && <RemoveMember member={asked.member} onClose={close} />}
    </>
  );
}

interface RowsProps {
  rows: readonly Member[];
  onRemove: (member: Member) => void;
}

function Rows({ rows, onRemove }: RowsProps) {
  const me = useUser();
  const columns: Column<Member>[] = [
    {
      id: 'user',
      head: words.member,
      names: true,
      cell: ({ user }) => (
        <div className="two">
          <span className="strong">
            {user.name || user.email}
            {user.id === me.id && <span className="faint"> {words.you}</span>}
          </span>
          <small>{user.email}</small>
        </div>
      ),
    },
    {
      id: 'role',
      head: words.role,
      className: 'w-role',
      cell: (member) => <RoleMenu member={member} members={rows} />,
    },
    {
      id: 'may',
      head: words.may,
      className: 'w-may w-wide',
      cell: ({ role }) => <span className="dim">{words.roleMay(role)}</span>,
    },
    {
      id: 'since',
      head: words.since,
      className: 'w-since w-wide',
      cell: ({ created_at: at }) => <PlainWhen at={at} />,
    },
    {
      id: 'more',
      head: words.more,
      headHidden: true,
      className: 'w-more',
      cell: (member) => <More member={member} members={rows} onRemove={onRemove} />,
    },
  ];
  return (
    <Table
      main
      label={words.title}
      className="fixed members"
      rows={rows}
      rowKey={(member) => member.user.id}
      rowName={(member) => member.user.name || member.user.email}
      columns={columns}
    />
  );
}

/** Why this user cannot change that member, or undefined. */
function useRefusal(member: Member, members: readonly Member[]): string | undefined {
  const { role } = useWorkspace();
  if (member.role !== 'owner') return undefined;
  if (role !== 'owner') return words.onlyOwners;
  return members.filter((it) => it.role === 'owner').length === 1 ? words.lastOwner : undefined;
}

function RoleMenu({ member, members }: { member: Member; members: readonly Member[] }) {
  const { role: mine } = useWorkspace();
  const me = useUser();
  const change = useChangeRole();
  const refused = useRefusal(member, members);
  const name = member.user.name || member.user.email;
  async function choose(role: Role, isUndo = false) {
    if (role === member.role && !isUndo) return;
    const before = member.role as Role;
    try {
      await change.mutateAsync({ id: member.user.id, role });
      if (member.user.id === me.id) await loadSession();
      const undo = isUndo ? {} : { undo: () => choose(before, true) };
      toast({ text: words.changedRole(name, role), ...undo });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      toast({ text: error.message, tone: 'failed' });
    }
  }
  return (
    <Menu
      kind="ghost"
      align="start"
      busy={change.isPending}
      refused={refused}
      items={ROLES.map(
        (role): MenuItem => ({
          label: words.roles[role] ?? role,
          note: words.roleMay(role),
          checked: role === member.role,
          ...(!mayGive(mine, role) && { refused: words.cannotGive(mine) }),
          onSelect: () => void choose(role),
        }),
      )}
    >
      <span className="vh">{words.roleOf(name)}</span>
      {words.roles[member.role] ?? member.role}
    </Menu>
  );
}

function More({
  member,
  members,
  onRemove,
}: { member: Member; members: readonly Member[] } & Pick<RowsProps, 'onRemove'>) {
  const me = useUser();
  const refused = useRefusal(member, members);
  const isMe = member.user.id === me.id;
  return (
    <Menu
      kind="ghost"
      small
      icon="more"
      label={words.moreFor(member.user.name || member.user.email)}
      items={[
        {
          label: words.copyEmail,
          icon: 'copy',
          onSelect: () => void navigator.clipboard.writeText(member.user.email),
        },
        'line',
        {
          label: isMe ? words.leave : words.remove,
          icon: isMe ? 'logout' : 'trash',
          danger: true,
          ...(refused !== undefined && { refused }),
          onSelect: () => onRemove(member),
        },
      ]}
    />
  );
}
