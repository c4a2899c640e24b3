-- What is sealed: AES-256-GCM under a data key per workspace, which is wrapped by a master key of the operator's. Postgres never
-- sees a key or a value.

create table workspace_keys (
    workspace_id uuid primary key references workspaces on delete cascade,
    -- The id of the master key that wraps it; `trigrun-api keys rewrap` moves it to the newest.
    master_key text not null,
    wrapped bytea not null,
    created_at timestamptz not null default now()
);
create index workspace_keys_master_key on workspace_keys (master_key);

create table secrets (
    id uuid primary key,
    workspace_id uuid not null references workspaces on delete cascade,
    name text not null,
    version int not null,
    sealed bytea not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    constraint secrets_name unique (workspace_id, name)
);

-- What signs the requests of a workspace. After a rotation the one before signs, too, for a while.
create table signing_secrets (
    workspace_id uuid primary key references workspaces on delete cascade,
    version int not null,
    sealed bytea not null,
    previous bytea,
    previous_until timestamptz,
    constraint signing_secrets_previous check ((previous is null) = (previous_until is null))
);

-- The names of the secrets that a version's headers hold.
alter table job_versions add column secrets text[] not null default '{}';
