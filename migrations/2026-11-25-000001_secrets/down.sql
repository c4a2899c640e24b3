alter table job_versions drop column secrets;
drop table signing_secrets;
drop table secrets;
drop table workspace_keys;
