-- What a workspace may have: the name of one of the operator's plans. What a plan allows is in the API's settings.
alter table workspaces add column plan text not null default 'default';
