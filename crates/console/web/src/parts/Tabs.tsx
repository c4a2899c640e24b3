import { type KeyboardEvent, type ReactNode, useRef } from 'react';
import { Link } from 'wouter';
import './Tabs.css';

export interface Tab<Id extends string = string> {
  id: Id;
  label: string;
  /** A count or a word beside the label. */
  note?: ReactNode;
  /** The note is bad news, such as a count of failures. */
  bad?: boolean;
}

interface LinkProps<Id extends string> {
  label: string;
  tabs: readonly Tab<Id>[];
  chosen: Id;
  href: (id: Id) => string;
  children?: ReactNode;
}

/** Views of one thing that have an address each. */
export function LinkTabs<Id extends string>({ label, tabs, chosen, href, children }: LinkProps<Id>) {
  return (
    <nav className="tabs" aria-label={label}>
      {tabs.map((tab) => (
        <Link key={tab.id} href={href(tab.id)} aria-current={tab.id === chosen ? 'page' : undefined}>
          {tab.label}
          <Note tab={tab} />
        </Link>
      ))}
      {children}
    </nav>
  );
}

interface Props<Id extends string> {
  /** Makes the ids of tabs and panel; one in a page. */
  id: string;
  label: string;
  tabs: readonly Tab<Id>[];
  chosen: Id;
  onChoose: (id: Id) => void;
  /** What the chosen tab shows. */
  children: ReactNode;
}

/** Views of one thing without an address: tabs and their panel. */
export function Tabs<Id extends string>({ id, label, tabs, chosen, onChoose, children }: Props<Id>) {
  const list = useRef<HTMLDivElement>(null);
  function move(event: KeyboardEvent) {
    const at = tabs.findIndex((tab) => tab.id === chosen);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
    const next = to === undefined ? undefined : tabs[(to + tabs.length) % tabs.length];
    if (!next) return;
    event.preventDefault();
    onChoose(next.id);
    list.current?.querySelector<HTMLElement>(`#${CSS.escape(`${id}-${next.id}`)}`)?.focus();
  }
  return (
    <>
      <div className="tabs" role="tablist" aria-label={label} ref={list} onKeyDown={move}>
        {tabs.map((tab) => (
          <button
            key={tab.id}
            id={`${id}-${tab.id}`}
            type="button"
            role="tab"
            aria-selected={tab.id === chosen}
            aria-controls={`${id}-panel`}
            tabIndex={tab.id === chosen ? 0 : -1}
            onClick={() => onChoose(tab.id)}
          >
            {tab.label}
            <Note tab={tab} />
          </button>
        ))}
      </div>
      <div role="tabpanel" id={`${id}-panel`} aria-labelledby={`${id}-${chosen}`}>
        {children}
      </div>
    </>
  );
}

function Note({ tab }: { tab: Tab }) {
  if (tab.note === undefined || tab.note === null) return null;
  return <b className={tab.bad ? 'bad' : undefined}>{tab.note}</b>;
}
