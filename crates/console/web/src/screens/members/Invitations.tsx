import { Problem } from '../../api/problem';
import { type Invitation, useDeleteInvitation, useInvitations, useMembers } from '../../api/queries/members';
import { Button } from '../../parts/Button';
import { Loaded } from '../../parts/Loaded';
import { Bars } from '../../parts/Loading';
import { Section } from '../../parts/Section';
import { type Column, Table } from '../../parts/Table';
import { toast } from '../../parts/toasts';
import { PlainWhen } from '../../parts/When';
import { words } from '../../words/en/members';

/** Invitations that can still be accepted. Without any, the section is absent. */
export function Invitations() {
  const query = useInvitations();
  if (query.data?.data.length === 0) return null;
  return (
    <Section title={words.invitations} className="apart invitations">
      <Loaded query={query} bars={<Bars rows={2} />}>
        {({ data }) => <Rows rows={data} />}
      </Loaded>
    </Section>
  );
}

function Rows({ rows }: { rows: readonly Invitation[] }) {
  const members = useMembers().data?.data ?? [];
  const nameOf = (id: string | null) => {
    const user = members.find((it) => it.user.id === id)?.user;
    return user?.name || user?.email;
  };
  const columns: Column<Invitation>[] = [
    {
      id: 'email',
      head: words.email,
      names: true,
      cell: (it) => (
        <div className="two">
          <span className="strong">{it.email}</span>
          <small>{words.invitedBy(nameOf(it.created_by))}</small>
        </div>
      ),
    },
    { id: 'role', head: words.role, className: 'w-role', cell: (it) => words.roles[it.role] ?? it.role },
    {
      id: 'created',
      head: words.invited,
      className: 'w-since w-wide',
      cell: (it) => <PlainWhen at={it.created_at} />,
    },
    {
      id: 'expires',
      head: words.validUntil,
      className: 'w-since w-wide',
      cell: (it) => <PlainWhen at={it.expires_at} />,
    },
    {
      id: 'revoke',
      head: words.revoke,
      headHidden: true,
      className: 'w-revoke',
      cell: (it) => <Revoke invitation={it} />,
    },
  ];
  return (
    <Table
      label={words.invitations}
      className="fixed members"
      rows={rows}
      rowKey={(it) => it.id}
      rowName={(it) => it.email}
      columns={columns}
    />
  );
}

function Revoke({ invitation }: { invitation: Invitation }) {
  const remove = useDeleteInvitation();
  async function revoke() {
    try {
      await remove.mutateAsync(invitation.id);
      toast({ text: words.revoked(invitation.email) });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      toast({ text: error.message, tone: 'failed' });
    }
  }
  return (
    <Button small busy={remove.isPending} onClick={() => void revoke()}>
      {words.revoke}
      <span className="vh">{words.revokeOf(invitation.email)}</span>
    </Button>
  );
}
