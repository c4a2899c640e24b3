do $$
declare partition regclass;
begin
    for partition in select inhrelid::regclass from pg_inherits where inhparent = 'executions'::regclass loop
        execute format('alter table %s reset (fillfactor)', partition);
    end loop;
end $$;

drop index executors_unreleased;
alter table executors drop constraint executors_released;
alter table executors drop column released_at;

drop index executions_open;
drop index executions_unpublished;
create index executions_open on executions (shard, due_at) where owner_id is null and finished_at is null;
create index executions_unpublished on executions (due_at)
    where published_at is null and owner_id is null and finished_at is null and not waits_for_slot;
create index executions_owner on executions (owner_id) where owner_id is not null;
