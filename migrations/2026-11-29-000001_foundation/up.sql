-- The whole schema of the first release.
--
-- 1. Workspaces, users and tokens      4. Executors, runs, executions and attempts
-- 2. Sealed values                     5. Channels, rules and notifications
-- 3. Jobs and their timers             6. The audit log
--                                      7. Operators
--                                      8. Statistics
--
-- Conventions:
-- * Ids are UUIDs that start with a time in milliseconds, so an index on (workspace_id, id) lists newest first.
-- * Times are timestamptz. Durations and latenesses are microseconds (_us).
-- * An enumeration is text with a check, so that psql shows it as a word, and a later release can extend it.
-- * Names that errors refer to (unique constraints) are explicit.
-- * Tables that are purged in batches have no foreign keys: a deletion never waits for a hundred thousand rows.


-- Identifies this installation, in Redis for example, which it may share with others. One row.
create table installation (
    id uuid primary key default gen_random_uuid(),
    is_the_only boolean not null default true check (is_the_only),
    constraint installation_is_the_only unique (is_the_only)
);
insert into installation default values;

-- While a hold is active, nothing leaves this installation: no request, no notification, no e-mail. Released ones are kept.
create table holds (
    id uuid primary key,
    -- Why, in the operator's words.
    reason text not null,
    created_at timestamptz not null,
    released_at timestamptz,
    -- What the release did about the fires in between.
    missed text constraint holds_missed check (missed in ('run', 'skip')),
    constraint holds_released check ((released_at is null) = (missed is null))
);
-- At most one is active. Every lease looks here.
create unique index holds_active on holds ((true)) where released_at is null;


-- 1. Workspaces, users and tokens ----------------------------------------------------------------------------------------------------

-- A tenant.
create table workspaces (
    id uuid primary key,
    name text not null,
    -- The name of one of the operator's plans. The API's settings say what a plan allows.
    plan text not null default 'default',
    -- Limits of this workspace instead of those of its plan: null as in the plan, 0 for no limit.
    max_jobs int check (max_jobs >= 0),
    max_tokens int check (max_tokens >= 0),
    max_executions_per_minute int check (max_executions_per_minute >= 0),
    max_members int check (max_members >= 0),
    max_channels int check (max_channels >= 0),
    -- The user who created it; null for the operator. It never changes. Workspaces of one creator are one *account*: they share limits and
    -- capacity. A workspace of the operator is an account of its own.
    created_by uuid,
    created_at timestamptz not null default now(),
    -- Set when the workspace is deleted. From then on it is not found; the retention pass purges its rows in batches.
    deleted_at timestamptz,
    -- Set while the operator has suspended the workspace: nothing is sent for it, and its fires are recorded as skipped.
    suspended_at timestamptz,
    -- Why, in the operator's words. Its members see it.
    suspended_reason text,
    constraint workspaces_suspended check ((suspended_at is null) = (suspended_reason is null))
);
-- Few are suspended. Every lease and every planned timer looks here.
create index workspaces_suspended on workspaces (id) where suspended_at is not null;
-- The retention pass finds workspaces to purge.
create index workspaces_deleted on workspaces (deleted_at) where deleted_at is not null;
-- Counts the workspaces that a user has created.
create index workspaces_created_by on workspaces (created_by) where created_by is not null and deleted_at is null;

-- A user logs in with e-mail address and password, and is a member of workspaces.
create table users (
    id uuid primary key,
    -- In lower case: addresses that differ only in case belong to one user.
    email text not null,
    name text not null,
    -- PHC string of argon2id.
    password_hash text not null,
    created_at timestamptz not null,
    constraint users_email unique (email)
);

-- A user's login. (One run of an executor process is a row of executors.)
create table sessions (
    id uuid primary key,
    user_id uuid not null references users on delete cascade,
    -- SHA-256 of the session's secret, as for tokens.
    hash bytea not null unique,
    -- How the secret is sent: in the header Authorization (token) or as a cookie. It is good in no other place.
    kind text not null constraint sessions_kind check (kind in ('token', 'cookie')),
    created_at timestamptz not null,
    -- Use puts this off if the secret is a cookie, until 14 days after the log-in.
    expires_at timestamptz not null,
    -- The password was given within ten minutes before.
    confirmed_until timestamptz not null,
    -- The last use, accurate to the minute, and the client's address and User-Agent then.
    last_seen_at timestamptz not null,
    address text,
    user_agent text,
    constraint sessions_lifetime check (expires_at <= created_at + interval '336 hours')
);
-- Lists the sessions of a user, and serves the foreign key: a user is deleted with all sessions.
create index sessions_user on sessions (user_id);

-- An API token.
create table tokens (
    id uuid primary key,
    workspace_id uuid not null references workspaces on delete cascade,
    name text not null,
    -- SHA-256 of the secret. The secret is random, so a plain digest suffices, and is shown once.
    hash bytea not null unique,
    scopes text[] not null,
    -- Who created it, and with which token. The token is deleted when the giver may no longer give its scopes. Null for the operator.
    created_by uuid references users on delete cascade,
    created_with uuid references tokens on delete cascade,
    created_at timestamptz not null default now(),
    expires_at timestamptz,
    last_used_at timestamptz
);
-- Lists the tokens of a workspace, newest first, and counts them.
create index tokens_workspace on tokens (workspace_id, id);
-- Finds the tokens that a user created, and serves the foreign key.
create index tokens_created_by on tokens (created_by) where created_by is not null;
-- Likewise those that a token created.
create index tokens_created_with on tokens (created_with) where created_with is not null;

-- A user's role in a workspace.
create table members (
    workspace_id uuid not null references workspaces on delete cascade,
    user_id uuid not null references users on delete cascade,
    role text not null check (role in ('owner', 'admin', 'member')),
    created_at timestamptz not null,
    -- Who gave the role: a user, perhaps with a token. Null if it is the member's own, as of the first owner, or the operator's. For some days
    -- the role falls with the giver's.
    given_by uuid references users on delete set null,
    given_with uuid references tokens on delete set null,
    given_at timestamptz not null default now(),
    constraint members_pkey primary key (workspace_id, user_id)
);
-- Lists the members of a workspace, oldest first.
create index members_workspace on members (workspace_id, created_at, user_id);
-- Lists the workspaces of a user.
create index members_user on members (user_id);
-- Finds the roles that a user gave, and serves the foreign key.
create index members_given_by on members (given_by) where given_by is not null;
-- Likewise those that were given with a token.
create index members_given_with on members (given_with) where given_with is not null;

-- Lets the owner of an e-mail address who also has the secret become a member.
create table invitations (
    id uuid primary key,
    workspace_id uuid not null references workspaces on delete cascade,
    email text not null,
    role text not null check (role in ('owner', 'admin', 'member')),
    -- SHA-256 of the secret.
    hash bytea not null unique,
    -- Who invited, and with which token. The invitation is deleted when the giver may no longer give its role. Null for the operator.
    created_by uuid references users on delete cascade,
    created_with uuid references tokens on delete cascade,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    constraint invitations_email unique (workspace_id, email)
);
-- Lists the invitations of a workspace, newest first.
create index invitations_workspace on invitations (workspace_id, id);
-- Finds the invitations that a user created, and serves the foreign key.
create index invitations_created_by on invitations (created_by) where created_by is not null;
-- Likewise those that a token created.
create index invitations_created_with on invitations (created_with) where created_with is not null;
-- The retention pass purges expired invitations.
create index invitations_expires_at on invitations (expires_at);

-- The secret was sent to the address, so the user who has it reads its e-mail. An address may have several, because another request for one must not end those
-- that were sent before; the first that is used ends all.
create table email_verifications (
    -- SHA-256 of the secret.
    hash bytea primary key,
    -- In lower case, as in users.
    email text not null,
    purpose text not null constraint email_verifications_purpose check (purpose in ('sign_up', 'password_reset', 'email_change')),
    -- The user whose password or address can be replaced. Before a sign-up, there is none.
    user_id uuid references users on delete cascade,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    constraint email_verifications_user check ((user_id is null) = (purpose = 'sign_up'))
);
-- Finds all of an address.
create index email_verifications_email on email_verifications (email, purpose);
-- Serves the foreign key, and finds those that a change of the password ends.
create index email_verifications_user_id on email_verifications (user_id) where user_id is not null;
-- The retention pass purges expired verifications.
create index email_verifications_expires_at on email_verifications (expires_at);


-- 2. Sealed values -------------------------------------------------------------------------------------------------------------------

-- Values are sealed by AES-256-GCM under a data key per workspace. A master key of the operator wraps the data key. Postgres never sees
-- a master key, a data key or a value.
create table workspace_keys (
    workspace_id uuid primary key references workspaces on delete cascade,
    -- The id of the master key that wraps the data key. `trigrun-api keys rewrap` moves it to the newest.
    master_key text not null,
    wrapped bytea not null,
    created_at timestamptz not null default now()
);
-- Finds the data keys that an old master key still wraps.
create index workspace_keys_master_key on workspace_keys (master_key);

-- The master keys that have been used. Nothing, sealed under the key: a process with another key under the same id does not start.
create table master_keys (
    id text primary key,
    check_value bytea not null,
    created_at timestamptz not null default now()
);

-- A value that a job's request names as secret://name.
create table secrets (
    id uuid primary key,
    workspace_id uuid not null references workspaces on delete cascade,
    name text not null,
    -- Part of what the seal authenticates: an old value cannot be put back.
    version int not null,
    sealed bytea not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    constraint secrets_name unique (workspace_id, name)
);
-- Lists the secrets of a workspace, newest first.
create index secrets_workspace on secrets (workspace_id, id);

-- The key that signs a workspace's requests. After a rotation the previous one signs too, until previous_until.
create table signing_secrets (
    workspace_id uuid primary key references workspaces on delete cascade,
    version int not null,
    sealed bytea not null,
    previous bytea,
    previous_until timestamptz,
    constraint signing_secrets_previous check ((previous is null) = (previous_until is null))
);


-- 3. Jobs and their timers -----------------------------------------------------------------------------------------------------------

-- What a job is now. job_versions has what it does, job_timers when it fires next.
create table jobs (
    id uuid primary key,
    workspace_id uuid not null references workspaces,
    -- The current row of job_versions.
    version int not null,
    name text not null,
    kind text not null check (kind in ('recurring', 'cron', 'scheduled', 'one_time')),
    state text not null check (state in ('active', 'paused', 'draft', 'completed')),
    tags text[] not null,
    -- The name by which the client refers to the job.
    key text collate "C",
    -- The set of jobs that the job is applied with.
    stack text collate "C",
    -- The version that the last application of the stack wrote: a later one comes from elsewhere.
    applied_version int,
    -- Of the URL, in lower case.
    host text not null default '',
    -- In the order of bytes: all keys of an import begin with the key of its request.
    idempotency_key text collate "C",
    -- SHA-256 of the request body that used the key: a repeated request with another body is told so.
    request_digest bytea,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    constraint jobs_idempotency_key unique (workspace_id, idempotency_key)
);
-- Lists and counts the jobs of a workspace.
create index jobs_workspace on jobs (workspace_id, id);
-- Finds a job by its key, which is unique.
create unique index jobs_key on jobs (workspace_id, key) where key is not null;
-- Lists the jobs of a stack.
create index jobs_stack on jobs (workspace_id, stack, id) where stack is not null;
-- Lists the jobs of a workspace by name, in any case. A run changes no indexed column of its job.
create index jobs_name on jobs (workspace_id, (upper(name collate "und-x-icu") collate "C"), id);

-- Who paused a job, why, and until when: a row while it is paused.
create table pauses (
    job_id uuid primary key references jobs on delete cascade,
    workspace_id uuid not null,
    paused_at timestamptz not null,
    -- With the name at that time, as in audit_entries.
    actor text not null check (actor in ('user', 'token', 'operator')),
    actor_id uuid,
    actor_name text,
    note text,
    -- When the job becomes active by itself; null if it stays paused.
    paused_until timestamptz,
    -- How deep in a chain of runs the request was that said so.
    depth smallint not null default 0
);
-- Finds the jobs that become active by themselves.
create index pauses_due on pauses (paused_until) where paused_until is not null;

-- Definitions, which never change. An execution names its version: a retry never sees a half-changed job, and history costs nothing per
-- run. A version is purged when no execution that is kept can have it.
create table job_versions (
    job_id uuid not null references jobs on delete cascade,
    version int not null,
    created_at timestamptz not null,
    -- When the next version was written; null for the current one.
    replaced_at timestamptz,
    name text not null,
    state text not null check (state in ('active', 'paused', 'draft')),
    tags text[] not null,
    kind text not null check (kind in ('recurring', 'cron', 'scheduled', 'one_time')),
    -- The schedule: the columns of its kind are set, the others are null.
    every_seconds int check (every_seconds > 0),
    cron text,
    timezone text,
    run_at timestamptz,
    -- The request.
    url text not null,
    method text not null,
    -- Pairs of name and value, flat, in the order given.
    headers text[] not null,
    -- The names of the secrets that the headers mention.
    secrets text[] not null default '{}',
    body text,
    -- The body is sent exactly as written; this only selects the default Content-Type.
    body_is_json boolean not null,
    timeout_seconds smallint not null,
    success_statuses smallint[] not null,
    -- The retry policy.
    max_attempts smallint not null,
    retry_on_statuses smallint[] not null,
    -- How fires and executions of the job relate to each other.
    concurrency_limit int check (concurrency_limit > 0),
    overlap_policy text not null check (overlap_policy in ('queue', 'skip')),
    misfire_policy text not null check (misfire_policy in ('fire_once', 'skip', 'catch_up')),
    catch_up_limit smallint not null,
    delivery text not null check (delivery in ('at_least_once', 'at_most_once')),
    -- How deep in a chain of runs the request was that wrote this version; its executions are at least as deep.
    made_at_depth smallint not null default 0,
    -- Who wrote this version, with the name at that time, as in audit_entries.
    actor text not null default 'operator' check (actor in ('user', 'token', 'operator')),
    actor_id uuid,
    actor_name text,
    primary key (job_id, version)
);
-- Finds old versions to purge. A job that never changes has no entry.
create index job_versions_replaced on job_versions (replaced_at) where replaced_at is not null;

-- One narrow row per job with a next fire, and everything needed to compute the fire after it: a fire never rewrites the wide rows.
-- A job without a row has no next fire. Pages have free space for the rewrites.
create table job_timers (
    job_id uuid primary key references jobs on delete cascade,
    workspace_id uuid not null,
    shard smallint not null,
    version int not null,
    -- Null while the next fire cannot be computed.
    next_run_at timestamptz,
    -- An interval schedule counts from here.
    anchor_at timestamptz not null,
    every_seconds int,
    cron text,
    timezone text,
    misfire_policy text not null,
    catch_up_limit smallint not null,
    -- Set while next_run_at is null: the fire that the next one has to come after, and why it could not be computed.
    computed_after timestamptz,
    error text,
    constraint job_timers_due_or_error check ((next_run_at is null) = (error is not null))
) with (fillfactor = 80);
-- Claims due timers in order. The id is included so that this order needs no sort.
create index job_timers_due on job_timers (next_run_at, job_id) where next_run_at is not null;
-- Retries and counts the timers with a schedule error.
create index job_timers_errors on job_timers (job_id) where next_run_at is null;

-- A concurrency limit is a constraint, not a count: slots are numbered from 1 to the limit.
create table job_slots (
    job_id uuid not null,
    slot int not null,
    execution_id uuid not null unique,
    primary key (job_id, slot)
);

-- Deleted jobs whose executions and notifications have not been purged yet.
create table deleted_jobs (
    job_id uuid primary key,
    deleted_at timestamptz not null default now()
);


-- 4. Executors, runs, executions and attempts ----------------------------------------------------------------------------------------------

-- Executor sessions: each row is one run of an executor process. Its leases end with it.
create table executors (
    id uuid primary key,
    name text not null,
    started_at timestamptz not null default now(),
    heartbeat_at timestamptz not null default now(),
    -- Set once: by the executor when it stops, or by a scheduler when the heartbeats stopped.
    ended_at timestamptz,
    -- When the last of its executions was reclaimed. No index has owners, so they are searched for only until then.
    released_at timestamptz,
    constraint executors_released check (released_at is null or ended_at is not null)
);
-- Liveness reads the live executors.
create index executors_live on executors (heartbeat_at) where ended_at is null;
-- Recovery finds the expired executors that may still own executions.
create index executors_unreleased on executors (id) where ended_at is not null and released_at is null;

-- Executions that have not ended: a row per planned fire and requested run. The transaction that records the end of an execution deletes its
-- row here and inserts one into executions, so this table stays small, and every search for work reads only work.
--
-- The most frequent change is a lease. No index contains a column that a lease changes (status, owner_id, attempt_count), and half of each
-- page stays free, so that Postgres rewrites the row in its page (a heap-only tuple). Keep it so. Each row is soon dead: vacuum comes early.
create table runs (
    -- Starts with the due time in milliseconds. Of a fire, it is derived from job and instant: a second row of the same fire is impossible.
    id uuid primary key,
    workspace_id uuid not null,
    job_id uuid not null,
    version int not null,
    shard smallint not null,
    status text not null check (status in ('queued', 'running', 'retrying')),
    source text not null check (source in ('schedule', 'manual', 'one_time', 'replay')),
    scheduled_for timestamptz not null,
    -- When to act next: at scheduled_for, or at the time of the next retry.
    due_at timestamptz not null,
    -- The executor that owns the execution: it runs it, or keeps it until its next attempt.
    owner_id uuid,
    -- When a scheduler took on publishing its dispatch message; null requests publication.
    publish_claimed_at timestamptz,
    waits_for_slot boolean not null default false,
    -- Its account, workspace or job has its share of the executors. No dispatch message announces it: executors look for it.
    waits_for_capacity boolean not null default false,
    -- The job has no further execution: it is completed when this one ends.
    ends_job boolean not null default false,
    attempt_count smallint not null default 0,
    -- How many attempts were interrupted because their executor expired.
    lost_count smallint not null default 0,
    -- When the first attempt began, and how late: set when an attempt has ended.
    started_at timestamptz,
    lateness_us bigint,
    -- While an attempt runs: when it began, or will begin.
    attempt_started_at timestamptz,
    replay_of uuid,
    traceparent text,
    -- How deep in a chain of runs the request was that asked for it.
    depth smallint not null default 0,
    constraint runs_owned check (owner_id is null or status in ('running', 'retrying')),
    constraint runs_running check (status <> 'running' or owner_id is not null)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
-- Work by when it is due: executors lease it from here when the stream is not available, recovery searches it.
create index runs_due on runs (shard, due_at);
-- Lists the open executions of a workspace, newest first.
create index runs_workspace on runs (workspace_id, id);
-- Lists the open executions of a job, newest first. A change of the job searches its planned fires.
create index runs_job on runs (job_id, id);
-- Work whose publication is requested.
create index runs_unpublished on runs (due_at) where publish_claimed_at is null and not waits_for_slot;
-- Executions that wait for a slot of their job, oldest first.
create index runs_waiting on runs (job_id, id) where waits_for_slot;
-- Executions that wait for capacity, by job, oldest first.
create index runs_waiting_for_capacity on runs (workspace_id, job_id, due_at) where waits_for_capacity;
-- Lists runs that a user requested; a scheduled run has no entry.
create index runs_asked_for on runs (workspace_id, source, id) where source <> 'schedule';

-- Executions that have ended, each with the attempt that ended it. A row is inserted once and never changed.
--
-- Partitioned by id, which starts with the due time in milliseconds: partitions of a day are created ahead and dropped whole. An id is in
-- runs or here, never in both: planning inserts into runs, then deletes what has ended before.
create table executions (
    id uuid not null,
    workspace_id uuid not null,
    job_id uuid not null,
    version int not null,
    attempt_count smallint not null,
    -- How deep in a chain of runs the request was that asked for it.
    depth smallint not null default 0,
    scheduled_for timestamptz not null,
    started_at timestamptz,
    finished_at timestamptz not null,
    lateness_us bigint,
    status text not null check (status in ('succeeded', 'failed', 'cancelled', 'skipped')),
    source text not null check (source in ('schedule', 'manual', 'one_time', 'replay')),
    -- Why it failed or was cancelled.
    error_class text,
    replay_of uuid,
    -- Why it was skipped. A row may stand for several missed fires: skip_count of them, from scheduled_for to skip_last.
    skip_reason text,
    skip_count bigint,
    skip_last timestamptz,
    -- The attempt that ended it. Most executions have only one attempt and so need no row in earlier_attempts.
    attempt_started_at timestamptz,
    dns_us int,
    connect_us int,
    tls_us int,
    first_byte_us int,
    body_us int,
    total_us int,
    response_bytes bigint,
    status_code smallint,
    body_truncated boolean,
    attempt_status text
        check (attempt_status in ('success', 'http_error', 'timeout', 'connection_error', 'blocked', 'interrupted')),
    attempt_error_class text,
    error text,
    remote_address text,
    http_version text,
    -- One line `name: value` per header, in the order received: names may repeat, values contain no line breaks.
    response_headers text,
    body_preview bytea,
    -- The transaction that recorded it. Statistics are counted in this order: what an older transaction than all running ones has recorded is
    -- complete, whatever the order of the commits.
    recorded_in bigint not null default pg_current_xact_id()::text::bigint,
    primary key (id),
    -- The index executions_unsuccessful relies on it.
    constraint executions_explained check (status = 'succeeded' or error_class is not null or skip_reason is not null)
) partition by range (id);
-- Rows of days whose partition has not been created yet.
create table executions_default partition of executions default;
-- Lists the executions of a workspace, newest first.
create index executions_workspace on executions (workspace_id, id);
-- Lists the executions of a job, newest first.
create index executions_job on executions (job_id, id);
-- Rows that stand for several missed fires: the ledger looks for the one that covers an instant.
create index executions_missed on executions (job_id, skip_last) where skip_count > 1;
-- Lists failed, cancelled and skipped executions; a run that succeeds has no entry.
create index executions_unsuccessful on executions (workspace_id, id) where error_class is not null or skip_reason is not null;
-- Lists runs that a user requested; a scheduled run has no entry.
create index executions_asked_for on executions (workspace_id, source, id) where source <> 'schedule';
-- Reads the executions in the order in which they were recorded. Those of one transaction share an entry.
create index executions_recorded on executions (recorded_in);

-- Every execution, open or ended. The columns that only one of the tables has are null for the rows of the other.
create view all_executions as
select id, workspace_id, job_id, version, status, source, scheduled_for, due_at, owner_id, attempt_count, depth, replay_of, started_at,
       null::timestamptz as finished_at, lateness_us, null::text as error_class, null::text as skip_reason, null::bigint as skip_count,
       null::timestamptz as skip_last
from runs
union all
select id, workspace_id, job_id, version, status, source, scheduled_for, null, null, attempt_count, depth, replay_of, started_at,
       finished_at, lateness_us, error_class, skip_reason, skip_count, skip_last
from executions;

-- Attempts that were interrupted or followed by another. Partitioned like executions, by the same ids.
create table earlier_attempts (
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
    response_headers text not null default '',
    body_preview bytea not null default '',
    body_truncated boolean not null default false,
    response_bytes bigint not null default 0,
    primary key (execution_id, number)
) partition by range (execution_id);
-- Attempts of days whose partition has not been created yet.
create table earlier_attempts_default partition of earlier_attempts default;

-- All attempts: those that ended an execution, and the earlier ones.
create view attempts as
select execution_id, number, status, status_code, error_class, error, started_at, dns_us, connect_us, tls_us, first_byte_us, body_us,
       total_us, remote_address, http_version, response_headers, body_preview, body_truncated, response_bytes
from earlier_attempts
union all
select id, attempt_count, attempt_status, status_code, attempt_error_class, error, attempt_started_at, dns_us, connect_us, tls_us,
       first_byte_us, body_us, total_us, remote_address, http_version, response_headers, body_preview, body_truncated, response_bytes
from executions where attempt_status is not null;

-- The execution that a run-now or replay request with an Idempotency-Key created: one per key, however often the request is repeated.
create table run_keys (
    workspace_id uuid not null references workspaces on delete cascade,
    key text not null,
    -- Kept as long as executions are. The execution may have been removed already.
    execution_id uuid not null,
    job_id uuid not null,
    replay_of uuid,
    constraint run_keys_pkey primary key (workspace_id, key)
);
-- Purges keys with their executions, and by age.
create index run_keys_execution on run_keys (execution_id);

-- Requests that are sent once, to try them, each with its result. An executor claims a test within half a minute; the newest of a workspace
-- are kept for an hour.
create table request_tests (
    id uuid primary key,
    workspace_id uuid not null references workspaces on delete cascade,
    -- What the request names as its job: a job of the workspace, or the test itself.
    job_id uuid not null,
    created_at timestamptz not null,
    -- How deep in a chain of runs the request was that asked for it.
    depth smallint not null,
    -- The request, as in job_versions.
    url text not null,
    method text not null,
    headers text[] not null,
    body text,
    body_is_json boolean not null,
    timeout_seconds smallint not null,
    success_statuses smallint[] not null,
    -- When an executor claimed it; stays when it has ended.
    claimed_at timestamptz,
    -- The attempt, as in earlier_attempts. Null until it has ended.
    status text check (status in ('success', 'http_error', 'timeout', 'connection_error', 'blocked', 'interrupted')),
    status_code smallint,
    error_class text,
    error text,
    started_at timestamptz,
    dns_us int,
    connect_us int,
    tls_us int,
    first_byte_us int,
    body_us int,
    total_us int,
    remote_address text,
    http_version text,
    response_headers text,
    body_preview bytea,
    body_truncated boolean,
    response_bytes bigint
);
-- Finds those that wait for an executor, and purges old ones.
create index request_tests_created on request_tests (created_at);
-- Finds the oldest of a workspace, and serves the foreign key.
create index request_tests_workspace on request_tests (workspace_id, created_at);


-- 5. Channels, rules and notifications -----------------------------------------------------------------------------------------------

-- Where a workspace is notified.
create table channels (
    id uuid primary key,
    workspace_id uuid not null references workspaces on delete cascade,
    name text not null,
    kind text not null check (kind in ('webhook', 'email', 'slack', 'discord')),
    -- The addresses, sealed because they contain credentials; and what may be shown of them.
    version int not null,
    sealed bytea not null,
    masked text[] not null,
    -- Until then, it is not notified of executions.
    snoozed_until timestamptz,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    constraint channels_name unique (workspace_id, name)
);
-- Lists the channels of a workspace, newest first.
create index channels_workspace on channels (workspace_id, id);

-- When a channel is notified of a job's executions. Deleted with the job, and that with the workspace.
create table notification_rules (
    id uuid primary key,
    workspace_id uuid not null,
    job_id uuid not null references jobs on delete cascade,
    channel_id uuid not null references channels on delete cascade,
    event text not null check (event in ('on_success', 'on_failure', 'on_completion', 'on_recovery')),
    after_failures smallint check (after_failures > 0),
    -- How many executions of the job have failed in a row; null until the first execution that the rule sees.
    failures int,
    created_at timestamptz not null
);
-- A rule exists once. Also finds the rules of a job, at the end of each of its executions.
create unique index notification_rules_once on notification_rules (job_id, channel_id, event, coalesce(after_failures, 0));
-- Finds the rules of a channel, and serves the foreign key.
create index notification_rules_channel on notification_rules (channel_id);

-- Rules for many jobs: all of a workspace, those with a tag, or those that call a host. The pass that counts executions applies them, so
-- that recording an execution does not depend on their number.
create table workspace_rules (
    id uuid primary key,
    workspace_id uuid not null references workspaces on delete cascade,
    channel_id uuid not null references channels on delete cascade,
    selector text not null check (selector in ('all', 'tag', 'host')),
    -- The tag or the host.
    value text check ((value is null) = (selector = 'all')),
    event text not null check (event in ('on_success', 'on_failure', 'on_completion', 'on_recovery')),
    after_failures smallint check (after_failures > 0),
    created_at timestamptz not null
);
-- A rule exists once. Also finds the rules of a workspace.
create unique index workspace_rules_once
    on workspace_rules (workspace_id, channel_id, selector, coalesce(value, ''), event, coalesce(after_failures, 0));
-- Finds the rules of a channel, and serves the foreign key.
create index workspace_rules_channel on workspace_rules (channel_id);

-- The outbox and the delivery log. The commit that ends an execution writes its notifications, those of rules of its job; the pass that
-- counts it writes the others. No foreign keys, as for executions: rows are purged with their job, with their workspace, or by age.
create table notifications (
    id uuid primary key,
    workspace_id uuid not null,
    channel_id uuid not null,
    -- These three are null in a test of the channel, which is about no execution.
    rule_id uuid,
    job_id uuid,
    execution_id uuid,
    event text not null check (event in ('succeeded', 'failed', 'recovered', 'test')),
    failures int not null,
    status text not null check (status in ('queued', 'running', 'retrying', 'succeeded', 'failed', 'skipped')),
    -- When to act next: at the first attempt, at a retry, or when the claim of a running attempt expires.
    due_at timestamptz not null,
    attempt_count smallint not null default 0,
    error_class text,
    created_at timestamptz not null,
    finished_at timestamptz,
    -- At most one per execution and rule. Also finds the notifications of an execution.
    constraint notifications_once unique (execution_id, rule_id),
    constraint notifications_ended check ((finished_at is not null) = (status in ('succeeded', 'failed', 'skipped')))
);
-- Executors claim due notifications, workspace by workspace.
create index notifications_open on notifications (workspace_id, due_at) where finished_at is null;
-- Lists the notifications of a workspace, newest first.
create index notifications_workspace on notifications (workspace_id, id);
-- Lists the notifications of a job, newest first, and purges them.
create index notifications_job on notifications (job_id, id) where job_id is not null;
-- Lists the notifications of a channel, newest first.
create index notifications_channel on notifications (channel_id, id);
-- Drops undelivered notifications of a channel that is deleted.
create index notifications_channel_open on notifications (channel_id) where finished_at is null;

-- Every attempt to deliver a notification.
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


-- 6. The audit log -------------------------------------------------------------------------------------------------------------------

-- Who changed secrets, tokens, members, channels or settings; never a value. Written in the transaction of the change, never changed.
create table audit_entries (
    id uuid primary key,
    workspace_id uuid not null references workspaces on delete cascade,
    created_at timestamptz not null,
    actor text not null check (actor in ('user', 'token', 'operator')),
    -- The actor and its name at that time: it may not exist any more when the log is read. The operator has neither.
    actor_id uuid,
    actor_name text,
    -- No check: an older release shows what a newer one has written.
    action text not null,
    target text not null,
    target_name text,
    -- Pairs of name and value, flat.
    details text[] not null,
    request_id text,
    address text,
    constraint audit_entries_actor check ((actor_id is null) = (actor = 'operator'))
);
-- Lists the audit log of a workspace, newest first.
create index audit_entries_workspace on audit_entries (workspace_id, id);


-- 7. Operators -----------------------------------------------------------------------------------------------------------------------

-- Who may use the operator API. Only a command with access to the database creates one.
create table operators (
    id uuid primary key,
    name text not null,
    -- SHA-256 of the secret of the token.
    hash bytea not null,
    created_at timestamptz not null,
    expires_at timestamptz,
    constraint operators_name unique (name),
    constraint operators_hash unique (hash)
);

-- What operators have done, and why. Written in the transaction of the change, never changed. It refers to no other table: it outlives
-- workspaces, users and operators.
create table operator_entries (
    id uuid primary key,
    created_at timestamptz not null,
    -- Null for a command.
    operator_id uuid,
    -- The name of the operator at that time.
    operator text not null,
    -- No check: an older release shows what a newer one has written.
    action text not null,
    reason text not null,
    -- The id of the object, or 'installation', and its name at that time.
    target text not null,
    target_name text,
    -- Pairs of name and value, flat.
    details text[] not null,
    request_id text,
    address text
);
-- Lists what was done to one object, newest first.
create index operator_entries_target on operator_entries (target, id);


-- 8. Statistics ----------------------------------------------------------------------------------------------------------------------

-- Passes of the scheduler count ended executions, after they have been recorded. A pass writes its sums and its position in one transaction.
create table stats_positions (
    name text primary key check (name in ('minutes', 'hours')),
    -- What transactions before this one have recorded is counted.
    counted_to bigint not null default 0,
    -- What was recorded before this instant is counted.
    fresh_until timestamptz not null default now(),
    -- A transaction, and an instant before which all that recorded before it had begun: fresh_until when counted_to has reached it.
    mark bigint not null default 0,
    mark_at timestamptz not null default now()
);
insert into stats_positions (name) values ('minutes'), ('hours');

-- Executions of a workspace by the minute in which they were due, for 30 hours. The histograms are counts of ranges of microseconds, in the
-- encoding of domain/statistics/histogram.rs. Pages have free space for the rewrites.
create table stats_minutes (
    workspace_id uuid not null,
    at timestamptz not null,
    succeeded bigint not null,
    failed bigint not null,
    cancelled bigint not null,
    skipped bigint not null,
    retried bigint not null,
    attempts bigint not null,
    lateness bytea not null,
    duration bytea not null,
    primary key (workspace_id, at)
) with (fillfactor = 70);
-- The retention pass purges old minutes.
create index stats_minutes_at on stats_minutes (at);

-- Executions of a job by the hour in which they were due, kept as long as executions.
create table stats_hours (
    workspace_id uuid not null,
    at timestamptz not null,
    job_id uuid not null,
    succeeded bigint not null,
    failed bigint not null,
    cancelled bigint not null,
    skipped bigint not null,
    retried bigint not null,
    attempts bigint not null,
    lateness bytea not null,
    duration bytea not null,
    primary key (workspace_id, at, job_id)
) with (fillfactor = 70);
-- The retention pass purges old hours.
create index stats_hours_at on stats_hours (at);

-- The same by the host that the job called when the hour was counted; empty if the job had been deleted.
create table stats_hosts (
    workspace_id uuid not null,
    at timestamptz not null,
    host text collate "C" not null,
    succeeded bigint not null,
    failed bigint not null,
    cancelled bigint not null,
    skipped bigint not null,
    retried bigint not null,
    attempts bigint not null,
    lateness bytea not null,
    duration bytea not null,
    primary key (workspace_id, at, host)
) with (fillfactor = 70);
-- The retention pass purges old hours.
create index stats_hosts_at on stats_hosts (at);

-- Failed executions of a job by hour and cause. A job that does not fail has no row.
create table stats_failures (
    workspace_id uuid not null,
    at timestamptz not null,
    job_id uuid not null,
    error_class text not null,
    -- 0 without a response.
    status_code smallint not null,
    executions bigint not null,
    first_at timestamptz not null,
    last_at timestamptz not null,
    -- One of them, the last that was counted.
    execution_id uuid not null,
    primary key (workspace_id, at, job_id, error_class, status_code)
) with (fillfactor = 70);
-- The retention pass purges old hours.
create index stats_failures_at on stats_failures (at);

-- Whether a job fails, as of its last executions. A job that has never failed has no row.
create table job_health (
    job_id uuid primary key references jobs on delete cascade,
    workspace_id uuid not null,
    -- No index contains a column that another failure changes.
    state text not null check (state in ('well', 'failing')),
    -- When the first of the failures in a row ended, or the first success after them.
    since timestamptz not null,
    failures_in_a_row bigint not null,
    -- The last failure.
    failed_at timestamptz not null,
    error_class text not null,
    status_code smallint,
    execution_id uuid not null
) with (fillfactor = 70);
-- Finds the failing jobs of a workspace.
create index job_health_failing on job_health (workspace_id, job_id) where state = 'failing';


-- A deleted workspace gets no new rows -----------------------------------------------------------------------------------------------

-- Insertion and deletion exclude each other by the row lock of the workspace. Either the deletion waits and sees what was inserted, or
-- the insertion waits and finds no workspace. A foreign key is not enough: the row stays until it is purged.
create function require_active_workspace() returns trigger language plpgsql set search_path from current as $$
begin
    perform from workspaces where id = new.workspace_id and deleted_at is null for key share;
    if not found then
        raise foreign_key_violation using message = 'the workspace does not exist, or is being deleted';
    end if;
    return new;
end $$;
create trigger require_active_workspace before insert on tokens for each row execute function require_active_workspace();
create trigger require_active_workspace before insert on members for each row execute function require_active_workspace();
create trigger require_active_workspace before insert on invitations for each row execute function require_active_workspace();
create trigger require_active_workspace before insert on secrets for each row execute function require_active_workspace();
create trigger require_active_workspace before insert on jobs for each row execute function require_active_workspace();
create trigger require_active_workspace before insert on channels for each row execute function require_active_workspace();

-- The lock of a plain update is compatible with the insertions' `for key share`. Deletions need the strongest one.
create function lock_deleted_workspace() returns trigger language plpgsql set search_path from current as $$
begin
    perform from workspaces where id = new.id for update;
    return new;
end $$;
create trigger lock_deleted_workspace before update of deleted_at on workspaces for each row
    when (old.deleted_at is null and new.deleted_at is not null) execute function lock_deleted_workspace();
