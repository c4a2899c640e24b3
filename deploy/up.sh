#!/usr/bin/env bash
# Starts TrigRun on this host with Docker Compose. You can run it again at any time. It creates deploy/.env with a master key and a
# password if the file does not exist, starts all services, waits until they are ready, and prints the address. `docker compose down`
# in deploy/ stops them.
set -euo pipefail
cd "$(dirname "$0")"
docker image inspect trigrun:latest > /dev/null 2>&1 || { echo "the image trigrun:latest does not exist: run make image, or docker build -f deploy/Dockerfile -t trigrun ."; exit 1; }
if [[ ! -e .env ]]; then
    (
        umask 077
        key=$(docker run --rm trigrun:latest trigrun-api keys generate)
        password=$(head -c 18 /dev/urandom | base64 | tr '+/' '-_')
        printf '# Keep a copy in a safe place: encrypted data cannot be decrypted without the key.\nTRIGRUN_MASTER_KEY=%s\nTRIGRUN_POSTGRES_PASSWORD=%s\n' \
            "$key" "$password" > .env.new
        mv .env.new .env
    )
    echo "created deploy/.env with a master key: keep a copy in a safe place"
fi
docker compose up --detach --wait
cat <<'HERE'

TrigRun runs at http://localhost:8080. The API documentation is at http://localhost:8080/docs. In deploy/:
  docker compose exec api trigrun-api workspace create --name main
  docker compose exec api trigrun-api token create --name first --workspace ws_…
  docker compose exec api trigrun-api smoke     # runs a test job and waits until it succeeds
  docker compose exec api trigrun-api doctor    # checks the installation
HERE
