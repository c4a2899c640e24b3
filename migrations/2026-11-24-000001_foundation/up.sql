-- The tables of the first capability. Times are timestamptz; words are text with a check, so that a person at psql can read them.

create table workspaces (
    id uuid primary key,
    name text not null,
    created_at timestamptz not null default now()
);

create table tokens (
    id uuid primary key,
    workspace_id uuid not null references workspaces on delete cascade,
    name text not null,
    -- SHA-256 of the secret. The secret itself is random, so a plain digest is enough, and is shown once.
    hash bytea not null unique,
    scopes text[] not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz,
    last_used_at timestamptz
);
create index tokens_workspace on tokens (workspace_id);

-- What a job is now. What it does stands in job_versions, when it does it next in job_timers.
create table jobs (
    id uuid primary key,
    workspace_id uuid not null references workspaces,
    version int not null,
    name text not null,
    kind text not null check (kind in ('recurring', 'cron', 'scheduled', 'one_time')),
    state text not null check (state in ('active', 'paused', 'draft', 'completed')),
    tags text[] not null,
    idempotency_key text,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    constraint jobs_idempotency_key unique (workspace_id, idempotency_key)
);
create index jobs_workspace on jobs (workspace_id, id);

-- Append-only: an execution names the version that it runs, so a retry never sees a half-changed job and history costs nothing per run.
create table job_versions (
    job_id uuid not null references jobs on delete cascade,
    version int not null,
    created_at timestamptz not null,
    name text not null,
    state text not null check (state in ('active', 'paused', 'draft')),
    tags text[] not null,
    kind text not null check (kind in ('recurring', 'cron', 'scheduled', 'one_time')),
    every_seconds int check (every_seconds > 0),
    cron text,
    timezone text,
    run_at timestamptz,
    url text not null,
    method text not null,
    -- Pairs of name and value, flat, in the order given.
    headers text[] not null,
    body text,
    -- The body is sent as the text that was written; this only says which Content-Type is the default.
    body_is_json boolean not null,
    timeout_seconds smallint not null,
    success_statuses smallint[] not null,
    max_attempts smallint not null,
    retry_on_statuses smallint[] not null,
    concurrency_limit int check (concurrency_limit > 0),
    overlap_policy text not null check (overlap_policy in ('queue', 'skip')),
    misfire_policy text not null check (misfire_policy in ('fire_once', 'skip', 'catch_up')),
    catch_up_limit smallint not null,
    delivery text not null check (delivery in ('at_least_once', 'at_most_once')),
    primary key (job_id, version)
);

-- One narrow row per job that has a next fire, and all that is needed to compute the one after: the wide rows are never
-- rewritten by a fire. No row: no next fire.
create table job_timers (
    job_id uuid primary key references jobs on delete cascade,
    workspace_id uuid not null,
    shard smallint not null,
    version int not null,
    -- Null while the next fire cannot be computed.
    next_run_at timestamptz,
    anchor_at timestamptz not null,
    every_seconds int,
    cron text,
    timezone text,
    misfire_policy text not null,
    catch_up_limit smallint not null,
    -- The fire that the next one has to come after, and why it could not be computed: set while next_run_at is null.
    computed_after timestamptz,
    error text,
    constraint job_timers_due_or_error check ((next_run_at is null) = (error is not null))
) with (fillfactor = 80);
-- The id is in the index so that a claim in order needs no sort.
create index job_timers_due on job_timers (next_run_at, job_id) where next_run_at is not null;
create index job_timers_errors on job_timers (job_id) where next_run_at is null;

-- A job that was deleted, until its executions are gone too.
create table deleted_jobs (
    job_id uuid primary key,
    deleted_at timestamptz not null default now()
);

-- One life of an executor process. Leases belong to it and end with it.
create table executors (
    id uuid primary key,
    name text not null,
    started_at timestamptz not null default now(),
    heartbeat_at timestamptz not null default now(),
    -- Set once: by the executor when it stops, or by whoever finds it silent for too long.
    ended_at timestamptz
);
create index executors_live on executors (heartbeat_at) where ended_at is null;

-- Partitioned by id, which begins with the due time in milliseconds: days are made ahead and dropped whole.
-- No foreign keys: rows come and go by the hundred thousand, and a job's deletion must not wait for them.
create table executions (
    id uuid not null,
    workspace_id uuid not null,
    job_id uuid not null,
    version int not null,
    shard smallint not null,
    status text not null check (status in ('queued', 'running', 'retrying', 'succeeded', 'failed', 'cancelled', 'skipped')),
    source text not null check (source in ('schedule', 'manual', 'one_time', 'replay')),
    scheduled_for timestamptz not null,
    -- When to act next: the fire's instant, or the next retry's.
    due_at timestamptz not null,
    -- The executor session that holds the lease, while queued work is taken, running, or waiting for its retry in that executor.
    owner_id uuid,
    -- When a scheduler last took it on itself to ring the stream; null asks for a ring.
    published_at timestamptz,
    waits_for_slot boolean not null default false,
    -- The job can have no further execution: it is completed when this one ends.
    ends_job boolean not null default false,
    attempt_count smallint not null default 0,
    lost_count smallint not null default 0,
    started_at timestamptz,
    finished_at timestamptz,
    lateness_us bigint,
    error_class text,
    replay_of uuid,
    traceparent text,
    skip_reason text,
    skip_count bigint,
    skip_last timestamptz,
    primary key (id),
    constraint executions_ended check ((finished_at is not null) = (status in ('succeeded', 'failed', 'cancelled', 'skipped'))),
    constraint executions_owned check (owner_id is null or status in ('running', 'retrying')),
    constraint executions_running check (status <> 'running' or owner_id is not null)
) partition by range (id);
create table executions_default partition of executions default;
create index executions_workspace on executions (workspace_id, id);
create index executions_job on executions (job_id, id);
-- Work that nobody holds: what an executor may lease, and what recover looks through.
create index executions_open on executions (shard, due_at) where owner_id is null and finished_at is null;
-- Work that asks for its bell.
create index executions_unpublished on executions (due_at)
    where published_at is null and owner_id is null and finished_at is null and not waits_for_slot;
create index executions_owner on executions (owner_id) where owner_id is not null;
-- Records that stand for several fires that were missed together.
create index executions_missed on executions (job_id, skip_last) where skip_count > 1;
create index executions_waiting on executions (job_id, id) where waits_for_slot;

-- Keyed and partitioned like the executions that they belong to.
create table attempts (
    execution_id uuid not null,
    number smallint not null check (number > 0),
    status text not null
        check (status in ('success', 'http_error', 'timeout', 'connection_error', 'blocked', 'interrupted')),
    status_code smallint,
    error_class text,
    error text,
    started_at timestamptz not null,
    dns_us int,
    connect_us int,
    tls_us int,
    first_byte_us int,
    body_us int,
    total_us int not null,
    remote_address text,
    http_version text,
    -- A line `name: value` each, in the order received: names may repeat, values hold no line breaks.
    response_headers text not null default '',
    body_preview bytea not null default '',
    body_truncated boolean not null default false,
    response_bytes bigint not null default 0,
    primary key (execution_id, number)
) partition by range (execution_id);
create table attempts_default partition of attempts default;

-- A concurrency limit is a constraint, not a count: slot numbers run from 1 to the limit.
create table job_slots (
    job_id uuid not null,
    slot int not null,
    execution_id uuid not null unique,
    primary key (job_id, slot)
);
