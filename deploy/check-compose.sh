#!/usr/bin/env bash
# Tests deploy/up.sh and deploy/compose.yaml on a real Docker engine, in a copy and as a separate project: the first start, a second
# start with the same command, killed executors, and a restart of all services. A job must fire each time. Needs docker with Compose
# 2.24 or later and the image trigrun:latest.
set -euo pipefail
cd "$(dirname "$0")/.."
fail() { echo "compose: $1"; exit 1; }
[[ -z ${COMPOSE_FILE:-} ]] || fail "COMPOSE_FILE is set and would replace deploy/compose.yaml"
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

copy=$PWD/target/compose
export COMPOSE_PROJECT_NAME=trigrun-check
down() { docker compose --progress quiet down --volumes --timeout 20; }
# Removes the remains of a killed run, whose volume has another password.
[[ ! -e $copy/.env ]] || (cd "$copy" && down)
rm -rf "$copy" && mkdir -p "$copy"
cp deploy/compose.yaml deploy/up.sh "$copy/"
cd "$copy"
# The job calls the API, whose network the egress guard blocks by default. Another TrigRun may use the port.
cat > compose.override.yaml <<HERE
services:
  api:
    ports: !override ["127.0.0.1:$(free_port):8080"]
    environment: { TRIGRUN__EGRESS__ALLOW: &inside '["172.16.0.0/12", "192.168.0.0/16"]' }
  executor: { environment: { TRIGRUN__EGRESS__ALLOW: *inside } }
HERE
said() { docker compose logs --no-color --tail 40; }
up() { ./up.sh > up.log 2>&1 || { cat up.log; said; fail "up.sh failed"; }; }
works() {
    docker compose exec -T api trigrun-api smoke --target http://api:8080/livez || { said; fail "no job fires $1"; }
    docker compose exec -T api trigrun-api doctor > doctor.log || { cat doctor.log; said; fail "doctor reports a problem $1"; }
}
trap down EXIT
up
grep -q http://localhost:8080 up.log || fail "up.sh does not print the address"
[[ $(stat -c %a .env) == 600 ]] || fail "other users can read .env"
cp .env .env.first
works "after the first start"
up
cmp -s .env .env.first || fail "the second start created another master key"
works "after the second start"
docker compose kill --signal KILL executor > kill.log 2>&1
up
works "after the executors were killed"
docker compose restart --timeout 20 > restart.log 2>&1
up
works "after a restart of all services"
for service in api scheduler executor; do
    docker compose exec -T "$service" trigrun-api healthcheck || fail "$service is not healthy"
done
echo "compose: first start, second start, kill -9 of the executors, restart of all services: a job fired each time, and doctor reported no problem"
