import { BASE } from '../../api/client';
import { Menu } from '../../parts/Menu';
import { toast } from '../../parts/toasts';
import { useCopy } from '../../parts/useCopy';
import { words } from '../../words/en/editor';
import { patchOf } from './changes';
import { createCommand, updateCommand } from './cli';
import { curlOf } from './curl';
import { type Definition, inputOf } from './definition';
import type { Base } from './useEditor';
import { suggestedKey, yamlOf } from './yaml';

interface Props {
  definition: Definition;
  /** What it would change, and of which job; null to create. */
  change: { id: string; base: Base } | null;
  /** The name of the workspace, which becomes that of the stack. */
  stack: string;
}

/** The form as a command or a file: what was changed, or else the whole job. */
export function CopyAs({ definition, change, stack }: Props) {
  const [, copy] = useCopy();
  const put = (what: string, text: string) => {
    copy(text);
    toast({ text: words.copiedAs(what) });
  };
  const patch = change && patchOf(change.base.definition, definition);
  const texts = {
    curl: () =>
      change && patch
        ? curlOf(ORIGIN, {
            method: 'PATCH',
            path: `/v1/jobs/${change.id}`,
            body: patch,
            version: change.base.version,
          })
        : curlOf(ORIGIN, { method: 'POST', path: '/v1/jobs', body: inputOf(definition) }),
    cli: () =>
      change && patch ? updateCommand(change.id, patch, change.base.version) : createCommand(definition),
    yaml: () =>
      yamlOf(suggestedKey(stack), [{ key: definition.key ?? suggestedKey(definition.name), definition }]),
  };
  return (
    <Menu
      kind="ghost"
      items={[
        { label: words.copyCurl, icon: 'code', onSelect: () => put(words.copyCurl, texts.curl()) },
        { label: words.copyCli, icon: 'code', onSelect: () => put(words.copyCli, texts.cli()) },
        { label: words.copyYaml, icon: 'doc', onSelect: () => put(words.copyYaml, texts.yaml()) },
      ]}
    >
      {words.copyAs}
    </Menu>
  );
}

/** The address of the API, as commands name it. */
export const ORIGIN = BASE.replace(/\/$/, '');
