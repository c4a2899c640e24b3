-- Who is told what about the executions of a job, and what became of each telling.

create table channels (
    id uuid primary key,
    workspace_id uuid not null references workspaces on delete cascade,
    name text not null,
    kind text not null check (kind in ('webhook', 'email', 'slack', 'discord')),
    -- Addresses, with the credentials that they hold.
    version int not null,
    sealed bytea not null,
    -- What may be shown of them.
    masked text[] not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    constraint channels_name unique (workspace_id, name)
);

create table notification_rules (
    id uuid primary key,
    workspace_id uuid not null,
    -- Goes with its job, and that with the workspace.
    job_id uuid not null references jobs on delete cascade,
    channel_id uuid not null references channels on delete cascade,
    event text not null check (event in ('on_success', 'on_failure', 'on_completion', 'on_recovery')),
    after_failures smallint check (after_failures > 0),
    -- How many executions of the job have failed in a row until now; null until the first that it is told of.
    failures int,
    created_at timestamptz not null
);
create unique index notification_rules_once on notification_rules (job_id, channel_id, event, coalesce(after_failures, 0));
create index notification_rules_channel on notification_rules (channel_id);

-- The outbox, and the log of what was delivered. A row is written in the commit that ends the execution it is about. No foreign keys,
-- as of executions: rows are swept with their job, their workspace or their day.
create table notifications (
    id uuid primary key,
    workspace_id uuid not null,
    shard smallint not null,
    channel_id uuid not null,
    -- Null in a test of the channel, which is about no execution.
    rule_id uuid,
    job_id uuid,
    execution_id uuid,
    event text not null check (event in ('succeeded', 'failed', 'recovered', 'test')),
    failures int not null,
    status text not null check (status in ('queued', 'running', 'retrying', 'succeeded', 'failed')),
    -- When to act next: the first attempt, a retry, or the end of the lease of an attempt that is being made.
    due_at timestamptz not null,
    attempt_count smallint not null default 0,
    error_class text,
    created_at timestamptz not null,
    finished_at timestamptz,
    constraint notifications_once unique (execution_id, rule_id),
    constraint notifications_ended check ((finished_at is not null) = (status in ('succeeded', 'failed')))
);
create index notifications_open on notifications (shard, due_at) where finished_at is null;
create index notifications_workspace on notifications (workspace_id, id);
create index notifications_job on notifications (job_id, id) where job_id is not null;
create index notifications_channel on notifications (channel_id, id);
create index notifications_channel_open on notifications (channel_id) where finished_at is null;

create table notification_attempts (
    notification_id uuid not null references notifications on delete cascade,
    number smallint not null check (number > 0),
    status text not null
        check (status in ('success', 'http_error', 'timeout', 'connection_error', 'blocked', 'interrupted')),
    status_code smallint,
    error_class text,
    error text,
    started_at timestamptz not null,
    total_us int not null,
    primary key (notification_id, number)
);
