#!/usr/bin/env bash
# Finds the server programs of Postgres and Redis, and installs the missing ones (Debian and Ubuntu). Starts no server.
# Looks where src/programs.rs looks. Without root, it installs if sudo needs no password.
# Usage: setup.sh
set -euo pipefail

# The directories of TRIGRUN_PROGRAMS, those of Debian's packages (newest version first), and those of PATH.
directories() {
    tr : '\n' <<< "${TRIGRUN_PROGRAMS:-}"
    find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin 2>/dev/null | sort --reverse --version-sort
    tr : '\n' <<< "$PATH"
}

is_program() { [[ $1 == /* && -f $1 && -x $1 ]]; }

# initdb requires a postgres of its own version, so both come from one directory.
find_postgres() {
    local dir
    while read -r dir; do
        ! { is_program "$dir/initdb" && is_program "$dir/postgres"; } || { printf '%s\n' "$dir/initdb" "$dir/postgres"; return; }
    done < <(directories)
    return 1
}

find_redis() {
    local dir name
    while read -r dir; do
        for name in valkey-server redis-server; do
            ! is_program "$dir/$name" || { echo "$dir/$name"; return; }
        done
    done < <(directories)
    return 1
}

# Sets `missing` and `packages`; succeeds if nothing is missing.
find_all() {
    missing=() packages=()
    postgres=$(find_postgres) || { missing+=('PostgreSQL (initdb and postgres)'); packages+=(postgresql); }
    redis=$(find_redis) || { missing+=('Redis (redis-server or valkey-server)'); packages+=(redis-server); }
    [[ ${#missing[@]} == 0 ]]
}

# Creates a file that is removed at the end. A file that exists stays as it is.
created=()
trap 'rm -f "${created[@]}"' EXIT
temporary() {
    mkdir -p "$(dirname "$1")"
    if (set -o noclobber && printf '%s\n' "${@:2}" > "$1") 2>/dev/null; then
        created+=("$1")
        chmod 755 "$1"
    fi
}

install() {
    export DEBIAN_FRONTEND=noninteractive
    # Before invoke-rc.d starts a service, it asks this program; 101 means "forbidden" (invoke-rc.d(8)).
    temporary /usr/sbin/policy-rc.d '#!/bin/sh' '# Created by setup.sh of trigrun-embed. Remove it if it remains.' 'exit 101'
    # Read through include_dir in createcluster.conf (pg_createcluster(1)).
    temporary /etc/postgresql-common/createcluster.d/trigrun-embed.conf 'create_main_cluster = false'
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "${packages[@]}"
    if [[ ${packages[*]} == *redis-server* ]]; then
        # Otherwise the package starts it at the next boot.
        update-rc.d redis-server disable
    fi
}

if find_all; then
    echo "found: ${postgres//$'\n'/, }, $redis"
    exit
fi
printf 'missing: %s\n' "${missing[@]}"
if command -v apt-get >/dev/null && [[ $(id -u) == 0 ]]; then
    install
    find_all || { printf 'still missing: %s\n' "${missing[@]}"; exit 1; }
    echo "found: ${postgres//$'\n'/, }, $redis"
elif command -v apt-get >/dev/null && sudo -n true 2>/dev/null; then
    sudo -n "$(realpath "$0")"
else
    echo 'Install PostgreSQL (initdb and postgres) and Redis or Valkey, then try again. No system server needs to run.'
    echo "Debian and Ubuntu: apt-get install -y --no-install-recommends ${packages[*]}"
    echo 'If the programs are in an unusual directory, set TRIGRUN_PROGRAMS=DIR[:DIR].'
    exit 1
fi
