import { useQuery } from '@tanstack/react-query';
import { useEffect, useRef, useState, useSyncExternalStore } from 'react';
import { useWorkspaceDetails } from '../api/queries/workspace';
import { readInstance } from '../api/session';
import { useStreamState } from '../api/stream';
import { wholeDuration } from '../format';
import { Button } from '../parts/Button';
import { Icon } from '../parts/Icon';
import { clockOffset, useNow, useViewerZone, when } from '../time';
import { words } from '../words/en/shell';

const CLOCK_OFF_MS = 5_000;
const INSTANCE_INTERVAL_MS = 60_000;
const UNREACHABLE_AFTER_MS = 10_000;

/** What is wrong with the connection, the clock, the server or the version of this page: a line over all. */
export function Banners({ workspace }: { workspace: string | undefined }) {
  const isOnline = useSyncExternalStore(onConnection, () => navigator.onLine);
  const isUnreachable = useUnreachable();
  useNow();
  const offset = clockOffset();
  const { heldSince, isOld } = useServer();
  const suspended = useWorkspaceDetails(workspace).data?.suspended;
  const zone = useViewerZone();
  return (
    <section aria-label={words.notices}>
      <div role="status">
        {!isOnline && <Banner>{words.offline}</Banner>}
        {isOnline && isUnreachable && <Banner>{words.unreachable}</Banner>}
        {Math.abs(offset) > CLOCK_OFF_MS && (
          <Banner>{words.clockOff(wholeDuration(Math.abs(offset)), offset < 0)}</Banner>
        )}
        {!isSecureContext && <Banner>{words.insecure}</Banner>}
        {heldSince && <Banner>{words.held(when(heldSince, zone))}</Banner>}
        {suspended && <Banner>{words.suspended(when(suspended.since, zone), suspended.reason)}</Banner>}
        {isOld && (
          <Banner
            action={
              <Button small onClick={() => location.reload()}>
                {words.reload}
              </Button>
            }
          >
            {words.newVersion}
          </Banner>
        )}
      </div>
    </section>
  );
}

function Banner({ children, action }: { children: string; action?: React.ReactNode }) {
  return (
    <p className="banner">
      <Icon name="warning" />
      <span>{children}</span>
      {action}
    </p>
  );
}

function onConnection(listener: () => void): () => void {
  addEventListener('online', listener);
  addEventListener('offline', listener);
  return () => {
    removeEventListener('online', listener);
    removeEventListener('offline', listener);
  };
}

// A stream that has failed for this long: nothing that is saved now would arrive.
function useUnreachable(): boolean {
  const isRetrying = useStreamState() === 'retrying';
  const [isLong, setLong] = useState(false);
  useEffect(() => {
    setLong(false);
    if (!isRetrying) return;
    const timer = setTimeout(() => setLong(true), UNREACHABLE_AFTER_MS);
    return () => clearTimeout(timer);
  }, [isRetrying]);
  return isLong;
}

/** Since when an operator holds the installation, and whether the server has another version than this page. */
function useServer(): { heldSince: string | null; isOld: boolean } {
  const first = useRef<string>(undefined);
  const { data } = useQuery({
    queryKey: ['instance'],
    queryFn: readInstance,
    refetchInterval: INSTANCE_INTERVAL_MS,
  });
  if (data && first.current === undefined) first.current = data.version;
  return {
    heldSince: data?.held_since ?? null,
    isOld: data !== undefined && data.version !== first.current,
  };
}
