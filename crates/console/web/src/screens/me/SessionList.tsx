import { useState } from 'react';
import { Problem } from '../../api/problem';
import { type LogIn, useEndSessions, useSessions } from '../../api/queries/sessions';
import { logOut } from '../../api/session';
import { Button } from '../../parts/Button';
import { Icon } from '../../parts/Icon';
import { Loaded } from '../../parts/Loaded';
import { Bars } from '../../parts/Loading';
import { toast } from '../../parts/toasts';
import { PlainWhen } from '../../parts/When';
import { words } from '../../words/en/me';
import { AskAndDo } from '../configure/AskAndDo';
import { clientOf } from './clientOf';
import './me.css';

/** Where the user is logged in, with a way to end each. */
export function SessionList() {
  return (
    <Loaded query={useSessions()} bars={<Bars rows={4} />}>
      {({ data }) => <Rows sessions={data} />}
    </Loaded>
  );
}

function Rows({ sessions }: { sessions: readonly LogIn[] }) {
  const [isAsked, setAsked] = useState(false);
  const end = useEndSessions();
  const others = sessions.filter((it) => !it.current).length;
  const sorted = [...sessions].sort((a, b) => Number(b.current) - Number(a.current));
  return (
    <>
      <div className="list-head">
        <p className="dim">{words.sessionsText}</p>
        {others > 0 && <Button onClick={() => setAsked(true)}>{words.endOthers(others)}</Button>}
      </div>
      <ul className="things">
        {sorted.map((session) => (
          <Row key={session.id} session={session} />
        ))}
      </ul>
      {isAsked && (
        <AskAndDo
          title={words.askEndOthers(others)}
          confirm={words.endOthers(others)}
          onConfirm={async () => {
            await end.mutateAsync('others');
            toast({ text: words.endedOthers(others) });
          }}
          onClose={() => setAsked(false)}
        >
          <p>{words.askEndOthersWhy}</p>
        </AskAndDo>
      )}
    </>
  );
}

function Row({ session }: { session: LogIn }) {
  const end = useEndSessions();
  const client = clientOf(session.user_agent) ?? words.unknownClient(session.kind);
  async function finish() {
    if (session.current) return logOut();
    try {
      await end.mutateAsync({ id: session.id });
      toast({ text: words.ended(client) });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      toast({ text: error.message, tone: 'failed' });
    }
  }
  return (
    <li>
      <Icon name={session.kind === 'cookie' ? 'screen' : 'code'} size={16} />
      <div className="two session">
        <span className="strong" title={session.user_agent ?? undefined}>
          {client}
          {session.current && <span className="this-one">{words.thisOne}</span>}
        </span>
        <small>
          {session.address ?? words.unknownAddress} · {words.lastSeen} <PlainWhen at={session.last_seen_at} />{' '}
          · {words.loggedIn} <PlainWhen at={session.created_at} /> · {words.endsBy}{' '}
          <PlainWhen at={session.expires_at} />
        </small>
      </div>
      <div className="btns">
        <Button small busy={end.isPending} onClick={() => void finish()}>
          {session.current ? words.logOut : words.end}
          <span className="vh">: {client}</span>
        </Button>
      </div>
    </li>
  );
}
