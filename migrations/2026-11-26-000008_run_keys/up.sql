-- What a run-now or a replay with an Idempotency-Key has made: the key names one execution, however often it is sent.
create table run_keys (
    workspace_id uuid not null references workspaces on delete cascade,
    key text not null,
    -- Kept as long as executions are; it may be gone already.
    execution_id uuid not null,
    job_id uuid not null,
    replay_of uuid,
    constraint run_keys_pkey primary key (workspace_id, key)
);
create index run_keys_execution on run_keys (execution_id);
