import { Fragment, type ReactNode, useEffect, useRef } from 'react';
import { Link } from 'wouter';
import { Icon } from '../parts/Icon';
import { common } from '../words/en';
import { words } from '../words/en/shell';
import { announce } from './live';
import { TopControls } from './TopControls';
import { useOptionalWorkspace } from './workspace';

export interface Crumb {
  label: string;
  href: string;
}

interface Props {
  /** What the page is: in the top bar, in the title of the window, and read aloud. */
  title: string;
  /** The pages above it. */
  crumbs?: readonly Crumb[];
  /** Buttons in the top bar. */
  actions?: ReactNode;
  className?: string;
  children: ReactNode;
}

let isFirst = true;

/** A screen: the top bar and the content. Every screen is one. */
export function Page({ title, crumbs = [], actions, className, children }: Props) {
  const workspace = useOptionalWorkspace();
  const main = useRef<HTMLElement>(null);
  useEffect(() => {
    document.title = common.title(title, workspace?.name);
  }, [title, workspace?.name]);
  const shown = useRef(title);
  shown.current = title;
  useEffect(() => {
    // After the first page, a new one takes the focus: otherwise it is lost with the link that led here.
    if (!isFirst) {
      main.current?.focus({ preventScroll: true });
      scrollTo(0, 0);
      announce(shown.current);
    }
    isFirst = false;
  }, []);
  return (
    <>
      <header className="top">
        <nav className="crumbs" aria-label={words.crumbs}>
          {crumbs.map((crumb) => (
            <Fragment key={crumb.href}>
              <Link href={crumb.href}>{crumb.label}</Link>
              <Icon name="right" size={12} />
            </Fragment>
          ))}
          <span aria-current="page">{title}</span>
        </nav>
        {actions}
        <TopControls />
      </header>
      <main className={className ? `page ${className}` : 'page'} id="main" tabIndex={-1} ref={main}>
        {children}
      </main>
    </>
  );
}
