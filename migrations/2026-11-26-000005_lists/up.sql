-- Lists of executions. No index may know of a status: a lease changes it, and is made in place because no index has to learn of it.
-- What ended otherwise than well has a class of error or a reason why it was skipped; a run that succeeds writes no entry.
create index executions_unsuccessful on executions (workspace_id, id) where error_class is not null or skip_reason is not null;
-- What people asked for; a scheduled run writes no entry.
create index executions_asked_for on executions (workspace_id, source, id) where source <> 'schedule';
-- What the first of them relies on.
alter table executions add constraint executions_explained
    check (status not in ('failed', 'cancelled', 'skipped') or error_class is not null or skip_reason is not null);
