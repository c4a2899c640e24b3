import type { ReactNode } from 'react';
import { Blank } from '../parts/Blank';
import { Page } from './Page';

/** A page that says why there is nothing else. */
export function FrameMessage({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <Page title={title}>
      <Blank icon="lock" title={title}>
        <p>{children}</p>
      </Blank>
    </Page>
  );
}
