-- A lease is the most frequent change of an execution. No index knows of owners any more, so that it is made in place (a
-- heap-only tuple): it cost as much as all else together. Half of a page is left for it.
drop index executions_open;
drop index executions_unpublished;
drop index executions_owner;
-- Work that has not ended: what an executor may lease, what it holds, and what recover looks through.
create index executions_open on executions (shard, due_at) where finished_at is null;
-- Work that asks for its bell.
create index executions_unpublished on executions (due_at) where published_at is null and finished_at is null and not waits_for_slot;

-- Whose work was taken over to the last: without an index of owners it is looked for only until then.
alter table executors add column released_at timestamptz;
alter table executors add constraint executors_released check (released_at is null or ended_at is not null);
create index executors_unreleased on executors (id) where ended_at is not null and released_at is null;

do $$
declare partition regclass;
begin
    for partition in select inhrelid::regclass from pg_inherits where inhparent = 'executions'::regclass loop
        execute format('alter table %s set (fillfactor = 50)', partition);
    end loop;
end $$;
