-- Who changed what of a workspace that matters to its safety; never a value. Written in the transaction of the change, and never changed.

create table audit_entries (
    id uuid primary key,
    workspace_id uuid not null references workspaces on delete cascade,
    created_at timestamptz not null,
    actor text not null check (actor in ('user', 'token', 'operator')),
    -- Who that was, and what they were called then: they may be gone when this is read. The operator has neither.
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
create index audit_entries_workspace on audit_entries (workspace_id, id);
