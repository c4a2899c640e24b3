import { useParams, useSearchParams } from 'wouter';
import { Problem } from '../../api/problem';
import { useJobToEdit } from '../../api/queries/editor';
import { Blank } from '../../parts/Blank';
import { LinkButton } from '../../parts/Button';
import { Loaded } from '../../parts/Loaded';
import { Bars } from '../../parts/Loading';
import { Page } from '../../shell/Page';
import { words } from '../../words/en/editor';
import '../../parts/Table.css';
import '../../styles/editor.css';
import './editor.css';
import './savebar.css';
import { EditorForm } from './EditorForm';

/** One job, to write or to change. `/jobs/new?copy=ID` begins as a copy of another. */
export default function Editor() {
  const { id } = useParams<{ id?: string }>();
  const [search] = useSearchParams();
  const copied = id ? null : search.get('copy');
  const query = useJobToEdit(id ?? copied);
  const name = query.data?.name;
  const jobs = { label: words.jobs, href: '/jobs' };
  const crumbs = id && name ? [jobs, { label: name, href: `/jobs/${id}` }] : [jobs];
  const title = id ? words.editTitle : words.newTitle;
  if (!id && !copied) {
    return (
      <Page title={title} crumbs={crumbs}>
        <EditorForm job={null} copied={null} />
      </Page>
    );
  }
  const isGone = query.error instanceof Problem && query.error.status === 404;
  return (
    <Page title={title} crumbs={crumbs}>
      {isGone ? (
        <Blank icon="jobs" title={words.gone} action={<LinkButton href="/jobs">{words.jobs}</LinkButton>}>
          {words.goneText}
        </Blank>
      ) : (
        <Loaded query={query} bars={<Bars rows={10} />}>
          {(job) => <EditorForm key={job.id} job={id ? job : null} copied={id ? null : job} />}
        </Loaded>
      )}
    </Page>
  );
}
