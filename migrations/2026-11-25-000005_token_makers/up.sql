-- Who made a token: it goes when they go. Null for those that the operator made.
alter table tokens add column created_by uuid references users on delete set null;
create index tokens_created_by on tokens (created_by) where created_by is not null;
