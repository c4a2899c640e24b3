import { type ReactNode, useEffect, useState } from 'react';
import { BASE } from '../../api/client';
import { type Instance, readInstance } from '../../api/session';
import { Mark } from '../../parts/Icon';
import { Say } from '../../parts/Say';
import { common } from '../../words/en';
import { words } from '../../words/en/login';
import './login.css';

interface Props {
  title: string;
  children: ReactNode;
}

/** A page before the log-in: one card, and what server this is. */
export function EntryPage({ title, children }: Props) {
  const instance = useInstance();
  useEffect(() => {
    document.title = common.title(title);
  }, [title]);
  return (
    <div className="entry">
      <main className="entry-card">
        <div className="entry-head">
          <Mark />
          <h1>{title}</h1>
        </div>
        {!isSecureContext && <Say tone="warn">{words.insecure}</Say>}
        {children}
      </main>
      <footer className="entry-foot">
        {instance && <span>{words.version(instance.version)}</span>}
        <a href={new URL('docs', BASE).href}>{words.docs}</a>
      </footer>
    </div>
  );
}

let known: Promise<Instance> | undefined;

/** What the server says of itself; null until then, and if it does not respond: the forms say so. */
export function useInstance(): Instance | null {
  const [instance, setInstance] = useState<Instance | null>(null);
  useEffect(() => {
    known ??= readInstance();
    known.then(setInstance, () => {
      known = undefined;
    });
  }, []);
  return instance;
}
