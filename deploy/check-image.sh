#!/usr/bin/env bash
# Inspects trigrun:latest, as built by buildah, and runs it with podman under strict settings: no root user, no shell, a read-only file
# system. A job must fire and succeed. Exits non-zero at the first failure. Needs root.
set -euo pipefail
cd "$(dirname "$0")/.."
MAX_SIZE_MB=30
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
fail() { echo "the image: $1"; exit 1; }

inspect() (
    archive=$(mktemp)
    container=$(buildah from trigrun:latest)
    trap 'buildah umount "$container" >/dev/null; buildah rm "$container" >/dev/null; rm "$archive"' EXIT
    user=$(buildah inspect --type image --format '{{.OCIv1.Config.User}}' trigrun:latest)
    [[ $user == 65532:65532 ]] || fail "runs as '$user'"
    root=$(buildah mount "$container")
    programs=$(find "$root" -type f -perm /111 -not -name '*.so*' -printf '%f\n' | sort | tr '\n' ' ')
    [[ $programs == 'trigrun-api trigrun-executor trigrun-scheduler ' ]] || fail "contains other programs: $programs"
    loose=$(find "$root" -xdev \( -perm /6000 -o -type f -perm /022 -o -type d -perm /002 \))
    [[ -z $loose ]] || fail "is writable by others, or has setuid or setgid bits: $loose"
    buildah push --quiet trigrun:latest "oci-archive:$archive" >/dev/null
    compressed=$(( ($(stat -c %s "$archive") + 999999) / 1000000 ))
    (( compressed <= MAX_SIZE_MB )) || fail "has $compressed MB, more than $MAX_SIZE_MB"
    echo "the image: unprivileged user, no shell, safe file modes; $compressed MB to fetch, $(du -s --block-size=MB "$root" | cut -f1) unpacked"
)

# Runs in the second call of this script, with servers.
run() {
    local key api probes name
    api=127.0.0.1:$(free_port)
    export CONTAINERS_CONF=$PWD/deploy/containers.conf
    container() {
        podman run --network host --read-only --cap-drop all --security-opt no-new-privileges \
            --ulimit "nofile=$(ulimit -Hn):$(ulimit -Hn)" --ulimit nproc=4096:4096 "$@"
    }
    key=$(container --rm trigrun:latest trigrun-api keys generate)
    settings=(-e TRIGRUN__POSTGRES__URL="$POSTGRES_URL" -e TRIGRUN__REDIS__URL="$REDIS_URL")
    keys=(-e TRIGRUN__KEYS__MASTER="[\"$key\"]" -e TRIGRUN__EGRESS__ALLOW='["127.0.0.0/8"]')
    container --rm "${settings[@]}" trigrun:latest trigrun-api migrate >/dev/null
    started=()
    trap 'podman rm --force --time 2 "${started[@]}" >/dev/null 2>&1 || true' EXIT
    for name in api scheduler executor; do
        local own=()
        [[ $name == scheduler ]] || own=("${keys[@]}")
        [[ $name != api ]] || own+=(-e TRIGRUN__SERVER__ADDRESS="$api")
        probes=127.0.0.1:$(free_port)
        started+=("$(container --detach "${settings[@]}" "${own[@]}" -e TRIGRUN__TELEMETRY__PROBES_ADDRESS="$probes" trigrun:latest "trigrun-$name")")
        for _ in $(seq 100); do
            podman exec "${started[-1]}" trigrun-api healthcheck --address "$probes" >/dev/null 2>&1 && break
            sleep 0.1
        done
        podman exec "${started[-1]}" trigrun-api healthcheck --address "$probes" >/dev/null || {
            podman logs "${started[-1]}"
            fail "trigrun-$name is not ready after ten seconds"
        }
    done
    podman exec "${started[0]}" trigrun-api smoke --url "http://$api" --target "http://$api/livez"
    podman exec "${started[0]}" trigrun-api doctor
    podman stop --time 10 "${started[@]}" >/dev/null
    for name in "${started[@]}"; do
        [[ $(podman inspect --format '{{.State.ExitCode}}' "$name") == 0 ]] || fail "a process did not exit with 0 after SIGTERM"
    done
    echo "the image: three containers, read-only and without capabilities; a job fired and succeeded; all exited with 0"
}

command -v runc >/dev/null || fail "runc is missing, which deploy/containers.conf selects: apt-get install runc"
if [[ ${1:-} == run ]]; then
    run
else
    inspect
    deploy/with-servers.sh deploy/check-image.sh run
fi
