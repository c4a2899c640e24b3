-- Who made an invitation: it goes when they go. Null for those of the operator's tokens, and of before.
alter table invitations add column created_by uuid references users on delete cascade;
create index invitations_created_by on invitations (created_by) where created_by is not null;
create index invitations_expires_at on invitations (expires_at);
