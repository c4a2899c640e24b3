import { useQuery, useQueryClient } from '@tanstack/react-query';
import {
  type KeyboardEvent,
  useCallback,
  useDeferredValue,
  useEffect,
  useId,
  useMemo,
  useRef,
  useState,
} from 'react';
import { useLocation } from 'wouter';
import { api, call } from '../api/client';
import { undoBulk, useJobsBulk } from '../api/queries/bulk';
import type { Membership } from '../api/session';
import { Glyph } from '../parts/Glyph';
import { Icon } from '../parts/Icon';
import { Kbd } from '../parts/Kbd';
import { glyphOf } from '../parts/Status';
import { toast } from '../parts/toasts';
import { words } from '../words/en/shell';
import { type Command, commandGroups, type Group, hostGroup, idGroup, jobsGroup } from './commands';
import { announce } from './live';
import { useCan } from './workspace';

interface Props {
  workspace: Membership;
  onClose: () => void;
  onHelp: () => void;
}

const JOBS_SHOWN = 6;

/** Finds a job, an id, a host, a page or a command. */
export function Palette({ workspace, onClose, onHelp }: Props) {
  const [query, setQuery] = useState('');
  const [at, setAt] = useState(0);
  const groups = useGroups(workspace, query.trim());
  const commands = groups.flatMap((group) => group.commands);
  const chosen = commands[Math.min(at, commands.length - 1)];
  const id = useId();
  const dialog = useRef<HTMLDialogElement>(null);
  const [, navigate] = useLocation();
  useEffect(() => dialog.current?.showModal(), []);
  useEffect(() => {
    if (query) announce(commands.length > 0 ? words.results(commands.length) : words.nothing(query));
  }, [query, commands.length]);
  const perform = (command: Command | undefined) => {
    if (!command) return;
    onClose();
    if (command.href) navigate(command.href);
    command.run?.();
  };
  const press = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 }[event.key];
    if (step) {
      event.preventDefault();
      setAt(Math.max(0, Math.min(commands.length - 1, at + step)));
    } else if (event.key === 'Enter' && !event.nativeEvent.isComposing) {
      event.preventDefault();
      perform(chosen);
    } else if (event.key === '?' && query === '') {
      event.preventDefault();
      onClose();
      onHelp();
    } else if (event.key === 'k' && (event.metaKey || event.ctrlKey)) {
      event.preventDefault();
      onClose();
    }
  };
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape closes it; a click beside it is the same by pointer
    <dialog
      className="palette"
      ref={dialog}
      aria-label={words.palette}
      onClose={onClose}
      onClick={(event) => event.target === dialog.current && onClose()}
    >
      <div className="ask">
        <Icon name="search" size={16} />
        <input
          type="text"
          role="combobox"
          aria-expanded="true"
          aria-controls={id}
          aria-activedescendant={chosen && `${id}-${chosen.id}`}
          aria-autocomplete="list"
          aria-label={words.palette}
          placeholder={words.paletteHint}
          autoComplete="off"
          spellCheck={false}
          autoFocus
          value={query}
          onChange={(event) => {
            setQuery(event.target.value);
            setAt(0);
          }}
          onKeyDown={press}
        />
        <Kbd keys="esc" />
      </div>
      <div className="list" id={id} role="listbox" aria-label={words.found}>
        {groups.map((group) => (
          <GroupOf key={group.title} group={group} list={id} chosen={chosen?.id} onPerform={perform} />
        ))}
        {commands.length === 0 && <p className="none">{words.nothing(query)}</p>}
      </div>
      <footer>
        <span>
          <Kbd keys="↑" />
          <Kbd keys="↓" /> {words.choose}
        </span>
        <span>
          <Kbd keys="Enter" /> {words.run}
        </span>
        <span>
          <Kbd keys="?" /> {words.allKeys}
        </span>
      </footer>
    </dialog>
  );
}

interface GroupProps {
  group: Group;
  list: string;
  chosen: string | undefined;
  onPerform: (command: Command) => void;
}

function GroupOf({ group, list, chosen, onPerform }: GroupProps) {
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset is for fields; this is a group of options
    <div role="group" aria-label={group.title}>
      <p className="group" aria-hidden="true">
        {group.title}
      </p>
      <ul role="presentation">
        {group.commands.map((command) => (
          <Option
            key={command.id}
            command={command}
            id={`${list}-${command.id}`}
            isChosen={command.id === chosen}
            onPerform={onPerform}
          />
        ))}
      </ul>
    </div>
  );
}

interface OptionProps {
  command: Command;
  id: string;
  isChosen: boolean;
  onPerform: (command: Command) => void;
}

function Option({ command, id, isChosen, onPerform }: OptionProps) {
  const line = useRef<HTMLLIElement>(null);
  useEffect(() => {
    if (isChosen) line.current?.scrollIntoView({ block: 'nearest' });
  }, [isChosen]);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the combobox has the focus and the keys
    // biome-ignore lint/a11y/useFocusableInteractive: aria-activedescendant points here
    // biome-ignore lint/a11y/noNoninteractiveElementToInteractiveRole: APG's listbox is a list
    <li ref={line} id={id} role="option" aria-selected={isChosen} onClick={() => onPerform(command)}>
      {command.glyph ? (
        <Glyph name={glyphOf(command.glyph)} />
      ) : (
        <Icon name={command.icon ?? 'right'} size={16} />
      )}
      <span className="cut">{command.label}</span>
      <span className="faint">
        {command.note}
        {command.keys?.split(' ').map((keys) => (
          <Kbd key={keys} keys={keys} />
        ))}
      </span>
    </li>
  );
}

function useGroups(workspace: Membership, query: string): Group[] {
  const asked = useDeferredValue(query);
  const jobs = useQuery({
    queryKey: ['jobs', 'palette', asked],
    queryFn: ({ signal }) =>
      call(
        api.GET('/v1/jobs', {
          params: { query: asked ? { q: asked, limit: JOBS_SHOWN } : { sort: 'next_run_at', limit: 3 } },
          signal,
        }),
      ),
    placeholderData: (before) => before,
  });
  const onPause = usePauseHost();
  const hosts = useQuery({
    queryKey: ['hosts'],
    queryFn: () => call(api.GET('/v1/hosts')),
    staleTime: 60_000,
  });
  return useMemo(() => {
    const groups = [
      idGroup(workspace, query),
      ...commandGroups(workspace, query, true),
      jobsGroup(workspace, jobs.data?.data ?? []),
      hostGroup(workspace, query, hosts.data?.data.map((it) => it.host) ?? [], onPause),
      ...commandGroups(workspace, query, false),
    ];
    return groups.filter((group) => group.commands.length > 0);
  }, [workspace, query, jobs.data, hosts.data, onPause]);
}

/** Pauses all jobs that call a host, with a way to undo it; null for those who may not. */
function usePauseHost(): ((host: string) => void) | null {
  const { mutateAsync } = useJobsBulk();
  const client = useQueryClient();
  const can = useCan()('jobs:write');
  const pause = useCallback(
    (host: string) => {
      mutateAsync({ target: { filter: { host, state: 'active' } }, action: { action: 'pause' } }).then(
        ({ done, undo }) => toast({ text: words.pausedHost(done, host), undo: () => undoBulk(client, undo) }),
        (error: unknown) =>
          toast({ text: error instanceof Error ? error.message : String(error), tone: 'failed' }),
      );
    },
    [mutateAsync, client],
  );
  return can ? pause : null;
}
