alter table workspaces drop column deleted_at;
drop table invitations;
drop table sessions;
drop table members;
drop table users;
