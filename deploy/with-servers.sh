#!/usr/bin/env bash
# Runs COMMAND with a private Postgres and Redis on this machine's loopback interface, for commands that cannot use a unix socket.
# POSTGRES_URL and REDIS_URL contain the addresses. Both servers stop with the command, and leave no files.
# Usage: with-servers.sh COMMAND [ARGUMENT…]
set -euo pipefail
bin=$(dirname "$(command -v initdb || find /usr/lib/postgresql -name initdb | sort -V | tail -1)")
[[ -x $bin/initdb ]] && command -v redis-server >/dev/null || { echo "Postgres or Redis is missing: make setup"; exit 1; }
dir=$(mktemp -d)
redis='' as=()
finish() {
    "${as[@]}" "$bin/pg_ctl" -D "$dir/postgres" -m immediate stop >/dev/null 2>&1 || true
    [[ -z $redis ]] || { kill "$redis" && wait "$redis"; } 2>/dev/null || true
    rm -rf "$dir"
}
trap finish EXIT
# initdb refuses to run as root.
if [[ $(id -u) == 0 ]]; then
    as=(setpriv --reuid postgres --regid postgres --clear-groups)
    chown postgres "$dir"
fi
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
port=$(free_port)
"${as[@]}" "$bin/initdb" -D "$dir/postgres" -U trigrun --auth trust --no-sync >/dev/null
"${as[@]}" "$bin/pg_ctl" -D "$dir/postgres" -l "$dir/postgres/log" -w start \
    -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=''" >/dev/null
export POSTGRES_URL="postgres://trigrun@127.0.0.1:$port/postgres?sslmode=disable"
port=$(free_port)
redis-server --bind 127.0.0.1 --port "$port" --save '' --dir "$dir" >/dev/null &
redis=$!
for _ in $(seq 100); do redis-cli -p "$port" ping >/dev/null 2>&1 && break; sleep 0.05; done
export REDIS_URL="redis://127.0.0.1:$port"
"$@"
