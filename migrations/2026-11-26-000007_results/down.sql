drop view attempts;
do $$
declare partition record;
begin
    for partition in
        select inhrelid::regclass as name, c.relname from pg_inherits join pg_class c on c.oid = inhrelid
        where inhparent = 'earlier_attempts'::regclass
    loop
        execute format('alter table %s rename to %I', partition.name, substr(partition.relname, length('earlier_') + 1));
    end loop;
end $$;
alter table earlier_attempts rename to attempts;
insert into attempts (execution_id, number, status, status_code, error_class, error, started_at, dns_us, connect_us, tls_us,
                      first_byte_us, body_us, total_us, remote_address, http_version, response_headers, body_preview, body_truncated,
                      response_bytes)
select id, attempt_count, attempt_status, status_code, attempt_error_class, error, attempt_started_at, dns_us, connect_us, tls_us,
       first_byte_us, body_us, total_us, remote_address, http_version, response_headers, body_preview, body_truncated, response_bytes
from executions where attempt_status is not null;
alter table executions
    drop constraint executions_result,
    drop column attempt_status, drop column status_code, drop column attempt_error_class, drop column error,
    drop column attempt_started_at, drop column dns_us, drop column connect_us, drop column tls_us, drop column first_byte_us,
    drop column body_us, drop column total_us, drop column remote_address, drop column http_version, drop column response_headers,
    drop column body_preview, drop column body_truncated, drop column response_bytes;
