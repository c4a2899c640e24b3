import { useId, useRef, useState } from 'react';
import { fullTime, type Instant, iso, millisOf, useNow, useViewerZone, when, zoneName } from '../time';
import { words } from '../words/en/parts';
import { useFloat } from './useFloat';
import './When.css';

interface Props {
  at: Instant | null | undefined;
  /** The zone to show it in: the job's, on the job's pages. The viewer's otherwise. */
  zone?: string;
  /** The job's zone, for the three times that focus and hover show. */
  jobZone?: string;
  seconds?: boolean;
  millis?: boolean;
  /** How it is written, where it is not as lists write it. */
  format?: (at: Instant, zone: string) => string;
}

/** One instant. Hover and focus show it in the viewer's zone, the job's and UTC. */
export function When({ at, zone, jobZone, seconds, millis, format }: Props) {
  const viewer = useViewerZone();
  const [open, setOpen] = useState(false);
  const anchor = useRef<HTMLTimeElement>(null);
  const id = useId();
  if (at === null || at === undefined) return <span className="faint">{words.unknown}</span>;
  const shown = zone ?? viewer;
  return (
    <>
      <time
        ref={anchor}
        className="when"
        dateTime={iso(at)}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: the other two times must be reachable by keyboard
        tabIndex={0}
        aria-describedby={open ? id : undefined}
        onPointerEnter={() => setOpen(true)}
        onPointerLeave={() => setOpen(false)}
        onFocus={() => setOpen(true)}
        onBlur={() => setOpen(false)}
        onKeyDown={(event) => event.key === 'Escape' && setOpen(false)}
      >
        {format ? format(at, shown) : when(at, shown, { seconds: seconds || millis })}
        {millis && <span className="faint">{millisOf(at)}</span>}
      </time>
      {open && (
        <Zones
          id={id}
          at={at}
          anchor={anchor}
          viewer={viewer}
          job={jobZone ?? zone}
          onClose={() => setOpen(false)}
        />
      )}
    </>
  );
}

interface ZonesProps {
  id: string;
  at: Instant;
  anchor: React.RefObject<HTMLElement | null>;
  viewer: string;
  job: string | undefined;
  onClose: () => void;
}

function Zones({ id, at, anchor, viewer, job, onClose }: ZonesProps) {
  const panel = useRef<HTMLDivElement>(null);
  useFloat({ open: true, anchor, panel, onClose });
  const zones = [...new Set([job, viewer, 'UTC'])].filter((zone) => zone !== undefined);
  return (
    <div ref={panel} id={id} className="float zones" popover="manual" role="tooltip">
      {zones.map((zone) => (
        <div key={zone}>
          <span className="faint">{zoneName(zone)}</span>
          <span>{fullTime(at, zone)}</span>
        </div>
      ))}
    </div>
  );
}

/** An instant as plain text in `<time>`, for places where many stand together. */
export function PlainWhen({ at, zone, seconds }: { at: Instant; zone?: string; seconds?: boolean }) {
  const viewer = useViewerZone();
  const shown = zone ?? viewer;
  useNow();
  return (
    <time dateTime={iso(at)} title={fullTime(at, shown)}>
      {when(at, shown, { seconds })}
    </time>
  );
}
