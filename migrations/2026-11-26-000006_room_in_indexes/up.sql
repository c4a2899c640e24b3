-- The end of an execution writes it anew, beside its first entry in each index. Pages that were filled to nine tenths as ids grew have no
-- room for that: Postgres looked for entries to delete, found none dead yet, merged some, and split the page after all. Room for as many
-- entries again costs no more disk than those splits left behind.
alter table executions drop constraint executions_pkey;
alter table executions add primary key (id) with (fillfactor = 45);
drop index executions_workspace;
create index executions_workspace on executions (workspace_id, id) with (fillfactor = 45);
drop index executions_job;
create index executions_job on executions (job_id, id) with (fillfactor = 45);

-- Half a page was room enough for nine leases in ten only.
do $$
declare partition regclass;
begin
    for partition in select inhrelid::regclass from pg_inherits where inhparent = 'executions'::regclass loop
        execute format('alter table %s set (fillfactor = 40)', partition);
    end loop;
end $$;
