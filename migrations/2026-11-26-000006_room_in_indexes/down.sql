drop index executions_workspace;
create index executions_workspace on executions (workspace_id, id);
alter table executions drop constraint executions_pkey;
alter table executions add primary key (id);
drop index executions_job;
create index executions_job on executions (job_id, id);
