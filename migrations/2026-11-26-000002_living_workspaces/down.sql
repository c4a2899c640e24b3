drop trigger workspace_lives on invitations;
drop trigger workspace_lives on members;
drop trigger workspace_lives on channels;
drop trigger workspace_lives on secrets;
drop trigger workspace_lives on jobs;
drop trigger workspace_lives on tokens;
drop function workspace_lives();
drop trigger workspace_ends on workspaces;
drop function workspace_ends();
