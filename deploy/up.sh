#!/usr/bin/env bash
# Starts TrigRun on this host with Docker Compose. You can run it again at any time. It creates deploy/.env with a master key and a
# password if the file does not exist, starts all services, waits until they are ready, and prints the address. `docker compose down`
# in deploy/ stops them.
set -euo pipefail
cd "$(dirname "$0")"
missing() { echo "$1"; exit 1; }
command -v docker > /dev/null || missing "Docker is missing: https://docs.docker.com/engine/install/ says how to install it"
if ! info=$(docker info 2>&1); then
    case $info in
        *"permission denied"*) missing "this user may not use Docker: run deploy/up.sh as root, or add the user to the group docker and log in again" ;;
        *) missing "the Docker daemon does not respond: start it, e.g. with systemctl start docker. It said: $(tail -n 1 <<< "$info")" ;;
    esac
fi
version=$(docker compose version --short 2> /dev/null) || missing "Docker Compose is missing: https://docs.docker.com/compose/install/linux/ says how to install the plugin"
[[ $(printf '%s\n' 2.24 "${version#v}" | sort -V | head -n 1) == 2.24 ]] || missing "Docker Compose is $version: it must be 2.24 or later"
docker image inspect trigrun:latest > /dev/null 2>&1 || missing "the image trigrun:latest does not exist: run make image, or docker build -f deploy/Dockerfile -t trigrun ."
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
