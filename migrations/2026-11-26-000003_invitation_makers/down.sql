drop index invitations_expires_at;
drop index invitations_created_by;
alter table invitations drop column created_by;
