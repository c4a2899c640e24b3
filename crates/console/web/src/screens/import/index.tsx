import { Page } from '../../shell/Page';
import { words as editorWords } from '../../words/en/editor';
import { words } from '../../words/en/import';
import { ImportPanel } from './ImportPanel';

/** Text of other tools and schedulers as jobs. */
export default function Import() {
  return (
    <Page title={words.title} crumbs={[{ label: editorWords.jobs, href: '/jobs' }]}>
      <ImportPanel />
    </Page>
  );
}
