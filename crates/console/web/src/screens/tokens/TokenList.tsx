import { useState } from 'react';
import { useMembers } from '../../api/queries/members';
import { rowsOf } from '../../api/queries/paged';
import { type Token, useDeleteToken, useRotateToken, useTokens } from '../../api/queries/tokens';
import { Blank } from '../../parts/Blank';
import { Button } from '../../parts/Button';
import { Loaded } from '../../parts/Loaded';
import { Bars } from '../../parts/Loading';
import { Menu } from '../../parts/Menu';
import { type Column, Table } from '../../parts/Table';
import { toast } from '../../parts/toasts';
import { PlainWhen } from '../../parts/When';
import { words } from '../../words/en/tokens';
import { AskAndDo } from '../configure/AskAndDo';
import { Head } from '../configure/Head';
import { useMore } from '../configure/useMore';
import { Expiry } from './Expiry';
import { NewToken } from './NewToken';
import { TokenOnce } from './TokenOnce';
import './tokens.css';

type Asked = { is: 'new' } | { is: 'rotate' | 'delete'; token: Token } | { is: 'once'; token: Token } | null;

/** All tokens: what they may do, until when, and when they were last used. */
export function TokenList() {
  const query = useTokens();
  const [asked, setAsked] = useState<Asked>(null);
  const onNew = () => setAsked({ is: 'new' });
  const close = () => setAsked(null);
  return (
    <>
      <Head
        title={words.title}
        end={
          <Button kind="solid" icon="plus" onClick={onNew}>
            {words.add}
          </Button>
        }
      >
        {words.about}
      </Head>
      <Loaded query={query} bars={<Bars rows={6} />}>
        {(data) => <Rows rows={rowsOf(data)} query={query} onAsk={setAsked} onNew={onNew} />}
      </Loaded>
      {asked?.is === 'new' && (
        <NewToken onMade={(token) => setAsked({ is: 'once', token })} onClose={close} />
      )}
      {asked?.is === 'rotate' && (
        <Rotate token={asked.token} onMade={(token) => setAsked({ is: 'once', token })} onClose={close} />
      )}
      {asked?.is === 'delete' && <Delete token={asked.token} onClose={close} />}
      {asked?.is === 'once' && <TokenOnce token={asked.token} onClose={close} />}
    </>
  );
}

interface RowsProps {
  rows: readonly Token[];
  query: ReturnType<typeof useTokens>;
  onAsk: (asked: Asked) => void;
  onNew: () => void;
}

function Rows({ rows, query, onAsk, onNew }: RowsProps) {
  const more = useMore(query);
  const columns: Column<Token>[] = [
    {
      id: 'name',
      head: words.name,
      names: true,
      className: 'w-name',
      cell: (token) => <Name token={token} />,
    },
    {
      id: 'scopes',
      head: words.scopes,
      className: 'w-wide',
      cell: ({ scopes }) => (
        <div className="scopes" title={scopes.join(' ')}>
          {words.may(scopes)}
        </div>
      ),
    },
    {
      id: 'used',
      head: words.lastUsed,
      className: 'w-used',
      cell: ({ last_used_at: at }) => <Used at={at} />,
    },
    {
      id: 'expires',
      head: words.expires,
      className: 'w-expires w-wide',
      cell: ({ expires_at: at }) => <Expiry at={at} />,
    },
    {
      id: 'more',
      head: words.more,
      headHidden: true,
      className: 'w-more',
      cell: (token) => (
        <Menu
          kind="ghost"
          small
          icon="more"
          label={words.moreFor(token.name)}
          items={[
            { label: words.rotate, icon: 'replay', onSelect: () => onAsk({ is: 'rotate', token }) },
            {
              label: words.copyId,
              icon: 'copy',
              onSelect: () => void navigator.clipboard.writeText(token.id),
            },
            'line',
            {
              label: words.delete,
              icon: 'trash',
              danger: true,
              onSelect: () => onAsk({ is: 'delete', token }),
            },
          ]}
        />
      ),
    },
  ];
  return (
    <Table
      main
      label={words.title}
      className="fixed tokens"
      rows={rows}
      rowKey={(token) => token.id}
      rowName={(token) => token.name}
      columns={columns}
      {...more}
      blank={
        <Blank
          icon="code"
          title={words.none}
          action={
            <Button icon="plus" onClick={onNew}>
              {words.add}
            </Button>
          }
        >
          {words.noneWhy}
        </Blank>
      }
    />
  );
}

function Name({ token }: { token: Token }) {
  const members = useMembers();
  const by = members.data?.data.find((it) => it.user.id === token.created_by)?.user;
  const who = token.created_by === null ? words.operator : ((by?.name || by?.email) ?? words.formerMember);
  return (
    <div className="two">
      <span className="strong">{token.name}</span>
      <small className="only-wide">
        {members.data && words.createdBy(who)} <PlainWhen at={token.created_at} />
      </small>
      <small className="only-narrow">{words.may(token.scopes)}</small>
    </div>
  );
}

function Used({ at }: { at: string | null }) {
  return at === null ? <span className="faint">{words.neverUsed}</span> : <PlainWhen at={at} />;
}

interface AskProps {
  token: Token;
  onClose: () => void;
}

function Rotate({ token, onMade, onClose }: AskProps & { onMade: (token: Token) => void }) {
  const rotate = useRotateToken();
  return (
    <AskAndDo
      title={words.askRotate(token.name)}
      confirm={words.rotate}
      danger={false}
      onConfirm={async () => {
        onMade(await rotate.mutateAsync(token.id));
        return 'stay';
      }}
      onClose={onClose}
    >
      <p>{words.askRotateWhy}</p>
    </AskAndDo>
  );
}

function Delete({ token, onClose }: AskProps) {
  const remove = useDeleteToken();
  return (
    <AskAndDo
      title={words.askDelete(token.name)}
      confirm={words.delete}
      onConfirm={async () => {
        await remove.mutateAsync(token.id);
        toast({ text: words.deleted(token.name) });
      }}
      onClose={onClose}
    >
      <p>{words.askDeleteWhy(token.last_used_at !== null)}</p>
    </AskAndDo>
  );
}
