alter table tokens drop column created_by;
