#!/usr/bin/env bash
# TrigRun on this host with Docker Compose, by one command that may be given again at any time: makes deploy/.env with a master key and a
# password if it is not there, starts everything, waits until it is ready, and says where to go. `docker compose down` in deploy/ ends it.
set -euo pipefail
cd "$(dirname "$0")"
docker image inspect trigrun:latest > /dev/null 2>&1 || { echo "there is no image trigrun:latest: make image, or docker build -f deploy/Dockerfile -t trigrun ."; exit 1; }
if [[ ! -e .env ]]; then
    (
        umask 077
        key=$(docker run --rm trigrun:latest trigrun-api keys generate)
        password=$(head -c 18 /dev/urandom | base64 | tr '+/' '-_')
        printf '# Keep a copy somewhere safe: without the key nothing that is sealed can be opened again.\nTRIGRUN_MASTER_KEY=%s\nTRIGRUN_POSTGRES_PASSWORD=%s\n' \
            "$key" "$password" > .env.new
        mv .env.new .env
    )
    echo "made deploy/.env with a master key: keep a copy of it somewhere safe"
fi
docker compose up --detach --wait
cat <<'HERE'

TrigRun is at http://localhost:8080, its API is described at http://localhost:8080/docs. In deploy/:
  docker compose exec api trigrun-api workspace create --name main
  docker compose exec api trigrun-api token create --name first --workspace ws_…
  docker compose exec api trigrun-api smoke     # makes a job fire and sees it succeed
  docker compose exec api trigrun-api doctor    # looks at everything
HERE
