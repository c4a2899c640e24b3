import { useState } from 'react';
import type { Job } from '../../api/queries/jobs';
import { Badge } from '../../parts/Badge';
import { Button, LinkButton } from '../../parts/Button';
import { Icon } from '../../parts/Icon';
import { Menu } from '../../parts/Menu';
import { Method } from '../../parts/Method';
import { Tag } from '../../parts/Tag';
import { useCan } from '../../shell/workspace';
import { when } from '../../time';
import { words } from '../../words/en/job';
import { words as jobsWords } from '../../words/en/jobs';
import type { JobActions } from '../jobs/actions';
import { expressionOf } from '../jobs/columns';
import { PauseDialog } from './PauseDialog';
import { useJobZone } from './zone';

/** What the job is, and what can be done with it. */
export function TitleBar({ job, actions }: { job: Job; actions: JobActions }) {
  return (
    <div className="titlebar">
      <div>
        <h1>
          <span className="anywhere">{job.name}</span> <StateBadge job={job} />
        </h1>
        <p className="meta">
          <span>
            <Icon name="jobs" />
            <span lang="en">{job.schedule_in_words}</span> <code className="faint">{expressionOf(job)}</code>
          </span>
          <span className="anywhere">
            <Method>{job.request.method}</Method> {job.request.url.replace(/^https?:\/\//, '')}
          </span>
          {job.tags.map((tag) => (
            <Tag key={tag}>{tag}</Tag>
          ))}
        </p>
      </div>
      <Buttons job={job} actions={actions} />
    </div>
  );
}

function StateBadge({ job }: { job: Job }) {
  const zone = useJobZone(job);
  if (job.state === 'paused') return <Badge glyph="pause">{words.paused}</Badge>;
  if (job.state === 'draft') return <Badge glyph="draft">{words.draft}</Badge>;
  if (job.health.state === 'failing') {
    const { since } = job.health;
    return <Badge glyph="bad">{since ? words.failingSince(when(since, zone)) : words.failing}</Badge>;
  }
  if (job.state === 'completed') return <Badge glyph="done">{words.completed}</Badge>;
  return null;
}

function Buttons({ job, actions }: { job: Job; actions: JobActions }) {
  const [isPausing, setPausing] = useState(false);
  const can = useCan();
  const writes = can('jobs:write');
  const canRun = can('jobs:run') && job.state !== 'draft';
  const isPaused = job.state === 'paused';
  const canPause = writes && (isPaused || job.state === 'active');
  return (
    <div className="btns">
      {canRun && (
        <Button icon="bolt" keys="R" onClick={() => actions.run(job)}>
          {words.runNow}
        </Button>
      )}
      {canPause && (
        <Button icon={isPaused ? 'play' : 'pause'} keys="P" onClick={() => actions.pauseOrResume(job)}>
          {isPaused ? words.resume : words.pause}
        </Button>
      )}
      {writes && job.state === 'draft' && (
        <Button kind="solid" icon="play" onClick={() => actions.activate(job)}>
          {words.activate}
        </Button>
      )}
      {writes && (
        <LinkButton icon="edit" keys="E" href={`/jobs/${job.id}/edit`}>
          {words.edit}
        </LinkButton>
      )}
      <Menu
        icon="more"
        label={words.more}
        items={[
          ...(canPause
            ? [{ label: words.pauseUntil, icon: 'pause' as const, onSelect: () => setPausing(true) }]
            : []),
          ...(writes
            ? [{ label: words.duplicate, icon: 'copy' as const, href: `/jobs/new?copy=${job.id}` }]
            : []),
          { label: words.copyId, icon: 'code', onSelect: () => void navigator.clipboard.writeText(job.id) },
          'line',
          {
            label: words.delete,
            icon: 'trash',
            danger: true,
            refused: writes ? undefined : jobsWords.scopeMissing('jobs:write'),
            onSelect: () => actions.remove(job),
          },
        ]}
      />
      {isPausing && <PauseDialog job={job} onClose={() => setPausing(false)} />}
    </div>
  );
}
