alter table workspaces drop column plan;
