import { useClockChange, useNextFires } from '../../api/queries/jobDetails';
import type { Job } from '../../api/queries/jobs';
import { In } from '../../parts/In';
import { Loaded } from '../../parts/Loaded';
import { Bars } from '../../parts/Loading';
import { Section } from '../../parts/Section';
import { When } from '../../parts/When';
import { dayAndTime, offsetOf, useViewerZone, when, zoneName } from '../../time';
import { words } from '../../words/en/job';
import { useJobZone } from './zone';

const FIRES = 3;

/** The next runs in the job's zone, and in the viewer's where it differs; and what the next clock change does. */
export function NextFires({ job }: { job: Job }) {
  const zone = useJobZone(job);
  const viewer = useViewerZone();
  const isOwn = zone === viewer;
  return (
    <Section
      title={words.next}
      end={
        <span className="small dim">{isOwn ? `${zoneName(zone)} · ${words.yourTime}` : zoneName(zone)}</span>
      }
    >
      {job.state === 'active' ? <Fires job={job} /> : <p className="small dim">{whyNone(job.state)}</p>}
      <ClockChange job={job} />
    </Section>
  );
}

function whyNone(state: string): string {
  if (state === 'paused') return words.pausedNext;
  return state === 'draft' ? words.draftNext : words.completedNext;
}

function Fires({ job }: { job: Job }) {
  const zone = useJobZone(job);
  const viewer = useViewerZone();
  const fires = useNextFires(job, FIRES);
  return (
    <Loaded query={fires} bars={<Bars rows={FIRES} compact />}>
      {({ data }) =>
        data.length === 0 ? (
          <p className="small dim">{words.noNext}</p>
        ) : (
          <ol className="fires">
            {data.map((fire) => {
              const differs = offsetOf(fire.at, zone) !== offsetOf(fire.at, viewer);
              return (
                <li key={fire.at}>
                  <span>
                    <When at={fire.at} zone={zone} format={dayAndTime} />
                    {fire.note && <small className="warn-text block">{fire.note}</small>}
                  </span>
                  <span className="small faint">{differs && words.yours(when(fire.at, viewer))}</span>
                  <In at={fire.at} />
                </li>
              );
            })}
          </ol>
        )
      }
    </Loaded>
  );
}

function ClockChange({ job }: { job: Job }) {
  const { data } = useClockChange(job);
  if (!data?.note) return null;
  return (
    <p className="small faint" lang="en">
      {words.clockChange}
      {data.note}
    </p>
  );
}
