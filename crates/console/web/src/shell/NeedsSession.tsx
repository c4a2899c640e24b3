import type { ReactNode } from 'react';
import { Redirect, useLocation, useSearch } from 'wouter';
import { loadSession, type Membership, type User, useSession } from '../api/session';
import { Blank } from '../parts/Blank';
import { Button } from '../parts/Button';
import { common } from '../words/en';

interface Props {
  children: (session: { user: User; workspaces: readonly Membership[] }) => ReactNode;
}

/** Shows its content to a user who is logged in, and the log-in to others; it comes back to this address. */
export function NeedsSession({ children }: Props) {
  const session = useSession();
  const [path] = useLocation();
  const search = useSearch();
  switch (session.state) {
    case 'unknown':
      return null;
    case 'open':
      return children(session);
    case 'none': {
      const next = path + (search ? `?${search}` : '');
      return <Redirect to={next === '/' ? '~/login' : `~/login?next=${encodeURIComponent(next)}`} replace />;
    }
    case 'failed':
      return (
        <main className="door">
          <Blank
            glyph="warn"
            title={session.problem.title || session.problem.message}
            action={
              <Button icon="replay" onClick={() => void loadSession()}>
                {common.retry}
              </Button>
            }
          >
            <p>{session.problem.message}</p>
            {session.problem.requestId && (
              <p className="faint">{common.requestId(session.problem.requestId)}</p>
            )}
          </Blank>
        </main>
      );
  }
}
