-- The attempt that ends an execution stands in the execution's own row, which is written then anyway: most executions have but one
-- attempt, and need no second row and no entry in its index. Those that another follows, and those that were interrupted, stay in a table
-- of their own. The view shows all.
alter table executions
    add column attempt_status text
        check (attempt_status in ('success', 'http_error', 'timeout', 'connection_error', 'blocked', 'interrupted')),
    add column status_code smallint,
    add column attempt_error_class text,
    add column error text,
    add column attempt_started_at timestamptz,
    add column dns_us int,
    add column connect_us int,
    add column tls_us int,
    add column first_byte_us int,
    add column body_us int,
    add column total_us int,
    add column remote_address text,
    add column http_version text,
    -- A line `name: value` each, as in earlier_attempts.
    add column response_headers text,
    add column body_preview bytea,
    add column body_truncated boolean,
    add column response_bytes bigint,
    add constraint executions_result check (attempt_status is null or finished_at is not null);

do $$
declare partition record;
begin
    for partition in
        select inhrelid::regclass as name, c.relname from pg_inherits join pg_class c on c.oid = inhrelid
        where inhparent = 'attempts'::regclass
    loop
        execute format('alter table %s rename to %I', partition.name, 'earlier_' || partition.relname);
    end loop;
end $$;
alter table attempts rename to earlier_attempts;

create view attempts as
select execution_id, number, status, status_code, error_class, error, started_at, dns_us, connect_us, tls_us, first_byte_us, body_us,
       total_us, remote_address, http_version, response_headers, body_preview, body_truncated, response_bytes
from earlier_attempts
union all
select id, attempt_count, attempt_status, status_code, attempt_error_class, error, attempt_started_at, dns_us, connect_us, tls_us,
       first_byte_us, body_us, total_us, remote_address, http_version, response_headers, body_preview, body_truncated, response_bytes
from executions where attempt_status is not null;
