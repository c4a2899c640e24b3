alter table executions drop constraint executions_explained;
drop index executions_asked_for;
drop index executions_unsuccessful;
