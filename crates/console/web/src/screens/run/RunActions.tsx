import { useLocation } from 'wouter';
import type { Run } from '../../api/queries/executions';
import { hasEnded, useCancelRun, useNeighbours, useReplayRun, useSentRequest } from '../../api/queries/run';
import { Button } from '../../parts/Button';
import { toast } from '../../parts/toasts';
import { useCopy } from '../../parts/useCopy';
import { type Shortcut, useKeys } from '../../shell/keys';
import { useCan } from '../../shell/workspace';
import { words } from '../../words/en/run';

/** The neighbours `[` `]`, the curl command, replay, and cancel while it has not ended. */
export function RunActions({ run, attempt }: { run: Run; attempt: number | undefined }) {
  const [, navigate] = useLocation();
  const isOpen = !hasEnded(run);
  const runs = useNeighbours(run, isOpen).data ?? [];
  const at = runs.findIndex((it) => it.id === run.id);
  const [earlier, later] = [runs[at - 1], at < 0 ? undefined : runs[at + 1]];
  const go = (to: Run | undefined) => to && navigate(`/runs/${to.id}`);
  const curl = useCurl(run, attempt);
  const { replay, cancel, refused, busy } = useRunActions(run);
  const keys: (Shortcut | false)[] = [
    { keys: '[', label: words.earlier, icon: 'left', run: () => go(earlier) },
    { keys: ']', label: words.later, icon: 'right', run: () => go(later) },
    { keys: 'R', label: words.keyReplay, icon: 'replay', run: replay },
    curl.refused === undefined && { keys: 'C', label: words.keyCopy, icon: 'copy', run: curl.copy },
  ];
  useKeys(keys.filter((it) => it !== false));
  return (
    <div className="btns">
      <Button
        icon="left"
        label={words.earlier}
        refused={earlier ? undefined : words.noEarlier}
        onClick={() => go(earlier)}
      />
      <Button
        icon="right"
        label={words.later}
        refused={later ? undefined : words.noLater}
        onClick={() => go(later)}
      />
      <Button icon={curl.isCopied ? 'check' : 'copy'} refused={curl.refused} onClick={curl.copy}>
        {words.copyCurl}
      </Button>
      {isOpen && (
        <Button icon="x" busy={busy.cancel} refused={refused} onClick={cancel}>
          {words.cancel}
        </Button>
      )}
      <Button icon="replay" keys="R" busy={busy.replay} refused={refused} onClick={replay}>
        {words.replay}
      </Button>
    </div>
  );
}

function useCurl(run: Run, attempt: number | undefined) {
  const { data } = useSentRequest(run.id, attempt);
  const [isCopied, copy] = useCopy();
  const none = attempt === undefined ? words.copyCurlNone : data && !data.curl ? words.copyCurlNo : undefined;
  return {
    isCopied,
    refused: none,
    copy: () => {
      if (!data?.curl) return;
      copy(data.curl);
      toast({ text: words.copied });
    },
  };
}

function useRunActions(run: Run) {
  const [, navigate] = useLocation();
  const can = useCan();
  const replay = useReplayRun();
  const cancel = useCancelRun();
  const refused = can('jobs:run') ? undefined : words.scopeMissing('jobs:run');
  const failed = (error: Error) => toast({ text: error.message, tone: 'failed' });
  return {
    refused,
    busy: { replay: replay.isPending, cancel: cancel.isPending },
    // A press while one is on its way is the same press: a double click makes one run.
    replay: () => {
      if (refused || replay.isPending) return;
      replay.mutate(run.id, {
        onSuccess: (made) => {
          navigate(`/runs/${made.id}`);
          toast({ text: words.replayed });
        },
        onError: failed,
      });
    },
    cancel: () => {
      if (refused || cancel.isPending) return;
      cancel.mutate(run.id, { onSuccess: () => toast({ text: words.cancelled }), onError: failed });
    },
  };
}
