import { useLocation } from 'wouter';
import { Button } from '../../parts/Button';
import { toast } from '../../parts/toasts';
import { useCopy } from '../../parts/useCopy';
import { useWorkspace } from '../../shell/workspace';
import { words } from '../../words/en/import';
import { ORIGIN } from '../editor/CopyAs';
import { createCommand } from '../editor/cli';
import { curlOf } from '../editor/curl';
import { definitionOf } from '../editor/definition';
import { draftOf } from '../editor/draft';
import { store } from '../editor/storage';
import { suggestedKey, yamlOf } from '../editor/yaml';
import type { Plan } from './plan';
import type { Read } from './read';
import { viewerZone } from './zone';

interface Props {
  read: Read;
  plan: Plan;
  isBusy: boolean;
  mayWrite: boolean;
  onCreate: () => void;
  onDraft: () => void;
}

/** The ways on: to copy it, to edit it, to create it. */
export function Footer({ read, plan, isBusy, mayWrite, onCreate, onDraft }: Props) {
  const { id: workspace, name } = useWorkspace();
  const [, navigate] = useLocation();
  const [, copy] = useCopy();
  const put = (what: string, text: string) => {
    copy(text);
    toast({ text: words.copiedAs(what) });
  };
  const definitions = plan.jobs.map(definitionOf);
  const [only] = definitions;
  const copies: [string, () => string][] = [
    [words.curl, () => curlOfAll(plan)],
    [words.cli, () => definitions.map(createCommand).join('\n')],
    [
      words.yaml,
      () =>
        yamlOf(
          suggestedKey(name),
          definitions.map((definition, index) => ({
            key: read.entries[index]?.key ?? suggestedKey(definition.name),
            definition,
          })),
        ),
    ],
  ];
  const edit = () => {
    if (!only) return;
    store(workspace, 'new', { draft: draftOf({ ...only, state: 'active' }, viewerZone()), base: null });
    navigate('/jobs/new');
  };
  return (
    <div className="savebar first-save">
      <span className="dim small only-wide">
        {words.copyAs}{' '}
        {copies.map(([label, text], index) => (
          <span key={label}>
            {index > 0 && ' · '}
            <button type="button" className="link" onClick={() => put(label, text())}>
              {label}
            </button>
          </span>
        ))}
      </span>
      {mayWrite && (
        <>
          {definitions.length === 1 && plan.secrets.length === 0 && (
            <Button kind="ghost" className="only-wide" onClick={edit}>
              {words.edit}
            </Button>
          )}
          <Button kind="ghost" busy={isBusy} onClick={onDraft}>
            {words.saveDraft}
          </Button>
          <Button kind="solid" keys="mod+Enter" busy={isBusy} onClick={onCreate}>
            {words.create(plan.jobs.length)}
          </Button>
        </>
      )}
    </div>
  );
}

// Values of secrets are never part of what is copied.
function curlOfAll({ jobs }: Plan): string {
  return jobs.length === 1
    ? curlOf(ORIGIN, { method: 'POST', path: '/v1/jobs', body: jobs[0] })
    : curlOf(ORIGIN, { method: 'POST', path: '/v1/jobs/batch', body: { items: jobs } });
}
