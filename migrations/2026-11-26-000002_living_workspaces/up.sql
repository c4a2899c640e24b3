-- A workspace that is being deleted gets nothing new. Whoever inserts shares a lock on its row, which the deletion takes for itself: either
-- the deletion waits, and sees what was inserted, or the insertion waits, and finds no workspace. A foreign key alone would be content
-- with the row, which stays until it is swept.

create function workspace_lives() returns trigger language plpgsql set search_path from current as $$
begin
    perform from workspaces where id = new.workspace_id and deleted_at is null for key share;
    if not found then
        raise foreign_key_violation using message = 'the workspace is not there';
    end if;
    return new;
end $$;

-- A release that knows nothing of this deletes by an update, which would share its lock.
create function workspace_ends() returns trigger language plpgsql set search_path from current as $$
begin
    perform from workspaces where id = new.id for update;
    return new;
end $$;
create trigger workspace_ends before update of deleted_at on workspaces for each row
    when (old.deleted_at is null and new.deleted_at is not null) execute function workspace_ends();

create trigger workspace_lives before insert on tokens for each row execute function workspace_lives();
create trigger workspace_lives before insert on jobs for each row execute function workspace_lives();
create trigger workspace_lives before insert on secrets for each row execute function workspace_lives();
create trigger workspace_lives before insert on channels for each row execute function workspace_lives();
create trigger workspace_lives before insert on members for each row execute function workspace_lives();
create trigger workspace_lives before insert on invitations for each row execute function workspace_lives();
