-- People, and what they are in workspaces.

create table users (
    id uuid primary key,
    -- In lower case: addresses that differ by case only are one person's.
    email text not null,
    name text not null,
    -- PHC string of argon2id.
    password_hash text not null,
    created_at timestamptz not null,
    constraint users_email unique (email)
);

create table members (
    workspace_id uuid not null references workspaces on delete cascade,
    user_id uuid not null references users on delete cascade,
    role text not null check (role in ('owner', 'admin', 'member')),
    created_at timestamptz not null,
    constraint members_pkey primary key (workspace_id, user_id)
);
create index members_user on members (user_id);

-- SHA-256 of the secret, as of tokens.
create table sessions (
    id uuid primary key,
    user_id uuid not null references users on delete cascade,
    hash bytea not null unique,
    created_at timestamptz not null,
    expires_at timestamptz not null
);
create index sessions_user on sessions (user_id);

-- The right of whoever has the secret and the address to become a member.
create table invitations (
    id uuid primary key,
    workspace_id uuid not null references workspaces on delete cascade,
    email text not null,
    role text not null check (role in ('owner', 'admin', 'member')),
    hash bytea not null unique,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    constraint invitations_email unique (workspace_id, email)
);

-- Deleted: dead at once for everybody, swept by tidy.
alter table workspaces add column deleted_at timestamptz;
create index workspaces_deleted on workspaces (deleted_at) where deleted_at is not null;
