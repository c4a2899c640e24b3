import type { ReactNode } from 'react';
import { Blank } from '../../parts/Blank';
import { LinkButton } from '../../parts/Button';
import { Loaded } from '../../parts/Loaded';
import { Bars } from '../../parts/Loading';
import { type Scope, useMe, useWorkspace } from '../../shell/workspace';
import { words } from '../../words/en/configure';

interface Props {
  scope: Scope;
  /** What the user cannot do without it: *Members cannot see secrets*. */
  title: string;
  children: ReactNode;
}

/** What a role can see; for other roles, which role can. */
export function NeedsScope({ scope, title, children }: Props) {
  const { name, role } = useWorkspace();
  return (
    <Loaded query={useMe()} bars={<Bars rows={6} />}>
      {(me) =>
        me.scopes.includes(scope) ? (
          children
        ) : (
          <Blank
            whole
            icon="lock"
            title={title}
            action={<LinkButton href="/">{words.toOverview}</LinkButton>}
          >
            {words.notForRole(role, name)}
          </Blank>
        )
      }
    </Loaded>
  );
}
