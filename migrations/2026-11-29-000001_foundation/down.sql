-- Leaves nothing, and no data either. Partitions, indexes and triggers are dropped with their tables.
drop view attempts, all_executions;
drop table job_health, stats_failures, stats_hosts, stats_hours, stats_minutes, stats_positions;
drop table operator_entries, operators;
drop table audit_entries;
drop table notification_attempts, notifications, workspace_rules, notification_rules, channels;
drop table request_tests, run_keys, earlier_attempts, executions, runs, executors;
drop table deleted_jobs, job_slots, job_timers, job_versions, pauses, jobs;
drop table signing_secrets, secrets, master_keys, workspace_keys;
drop table email_verifications, tokens, invitations, members, sessions, users, workspaces;
drop function require_active_workspace();
drop function lock_deleted_workspace();
drop table holds, installation;
