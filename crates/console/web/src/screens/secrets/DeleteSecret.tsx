import { Link } from 'wouter';
import { Problem } from '../../api/problem';
import { type Secret, useDeleteSecret, useSecret } from '../../api/queries/secrets';
import { toast } from '../../parts/toasts';
import { words } from '../../words/en/secrets';
import { AskAndDo } from '../configure/AskAndDo';

const MAX_SHOWN = 6;

interface Props {
  name: string;
  onDeleted?: () => void;
  onClose: () => void;
}

/** The question before a secret is deleted: it names the jobs that would fail. */
export function DeleteSecret({ name, onDeleted, onClose }: Props) {
  const secret = useSecret(name);
  const remove = useDeleteSecret();
  // The question depends on the jobs: it is asked when they are known.
  if (!secret.data && !secret.isError) return null;
  const jobs = secret.data?.used_by ?? [];
  async function confirm() {
    try {
      await remove.mutateAsync({ name, force: jobs.length > 0 });
    } catch (error) {
      // A job has begun to use it: the question is another one now.
      if (error instanceof Problem && error.code === 'secret_in_use') void secret.refetch();
      throw error;
    }
    toast({ text: words.deleted(name) });
    onDeleted?.();
  }
  return (
    <AskAndDo
      key={jobs.length}
      title={words.askDelete(name)}
      confirm={jobs.length > 0 ? words.deleteAnyway : words.delete}
      {...(jobs.length > 0 && { typed: name })}
      onConfirm={confirm}
      onClose={onClose}
    >
      {jobs.length > 0 ? <InUse name={name} jobs={jobs} /> : <p>{words.askDeleteUnused}</p>}
    </AskAndDo>
  );
}

function InUse({ name, jobs }: { name: string; jobs: NonNullable<Secret['used_by']> }) {
  return (
    <div className="in-use">
      <p>{words.askDeleteUsed(jobs.length)}</p>
      <ul>
        {jobs.slice(0, MAX_SHOWN).map((job) => (
          <li key={job.job_id} className="cut">
            <Link href={`/jobs/${job.job_id}`}>{job.name}</Link>
          </li>
        ))}
        {jobs.length > MAX_SHOWN && (
          <li>
            <Link href={`/jobs?secret=${encodeURIComponent(name)}`}>
              {words.andMore(jobs.length - MAX_SHOWN)}
            </Link>
          </li>
        )}
      </ul>
    </div>
  );
}
