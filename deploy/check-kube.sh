#!/usr/bin/env bash
# Runs the rendered pods of the chart without a cluster: `podman play kube` starts them from trigrun:latest on this machine's network,
# against a real Postgres and Redis. The migration and the smoke test of `helm test` must succeed. Needs root; run `make image` and
# `make chart` first.
#
# The script first changes what podman 4 does not support. Pods share one network here, so each pod has a separate port for its probes,
# and the smoke test finds the API by address, not by the name of its Service. This script calls the probes, because podman would run
# curl in the image.
set -euo pipefail
cd "$(dirname "$0")/.."
tools=target/chart-tools
export CONTAINERS_CONF=$PWD/deploy/containers.conf
export HELM_CONFIG_HOME=$PWD/$tools/helm HELM_CACHE_HOME=$PWD/$tools/helm HELM_DATA_HOME=$PWD/$tools/helm

if [[ ${1:-} != run ]]; then
    command -v catatonit >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends catatonit; }
    exec deploy/with-servers.sh deploy/check-kube.sh run
fi

made=$(mktemp -d)
finish() {
    for name in executor scheduler api migrate smoke; do
        [[ ! -e $made/$name.yaml ]] || podman play kube --down "$made/$name.yaml" >/dev/null 2>&1 || true
    done
    podman secret rm trigrun-postgres trigrun-redis trigrun-keys >/dev/null 2>&1 || true
    rm -rf "$made"
}
trap finish EXIT

# podman 4 stores a Secret as the JSON of its data.
secret() { printf '{"%s":"%s"}' "$2" "$(printf %s "$3" | base64 -w0)" | podman secret create "$1" - >/dev/null; }
secret trigrun-postgres url "$POSTGRES_URL"
secret trigrun-redis url "$REDIS_URL"
secret trigrun-keys master "[\"$(podman run --rm trigrun:latest trigrun-api keys generate)\"]"

$tools/kubectl-v36-2.0.1/helm/helm template trigrun deploy/helm/trigrun --values deploy/chart-values/secrets.yaml \
    --set image.repository=localhost/trigrun,image.tag=latest,image.pullPolicy=Never \
    --set api.replicas=1,scheduler.replicas=1,executor.replicas=1 --set 'egress.allow={127.0.0.0/8}' \
    --set smoke.target=http://127.0.0.1:8080/livez > "$made/all.yaml"
$tools/venv/bin/python - "$made" <<'PYTHON'
import pathlib, sys, yaml

made = pathlib.Path(sys.argv[1])
PROBES = {"api": 9090, "scheduler": 9091, "executor": 9092}
for part in yaml.safe_load_all((made / "all.yaml").read_text()):
    match part and part["kind"]:
        case "Deployment":
            name, spec = part["spec"]["selector"]["matchLabels"]["app.kubernetes.io/component"], part["spec"]["template"]["spec"]
        case "Job":
            name, spec = "migrate", part["spec"]["template"]["spec"]
            part = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "trigrun-migrate"}, "spec": spec}
            spec["restartPolicy"] = "Never"
        case "Pod":
            name, spec = "smoke", part["spec"]
        case _:
            continue
    [container] = spec["containers"]
    for probe in ["startupProbe", "readinessProbe", "livenessProbe", "lifecycle"]:
        container.pop(probe, None)
    for variable in container["env"]:
        if variable["name"] == "TRIGRUN__TELEMETRY__PROBES_ADDRESS":
            variable["value"] = f"127.0.0.1:{PROBES.get(name, 9093)}"
    container["ports"] = []
    container["command"] = [word.replace("http://trigrun-api", "http://127.0.0.1:8080") for word in container["command"]]
    (made / f"{name}.yaml").write_text(yaml.safe_dump(part))
PYTHON

# The name that podman gives to the only container of a pod.
container_of() { podman ps --all --format '{{.Names}}' | grep -E "trigrun-$1-.*$1|trigrun-$1.*-$1\$" | head -1; }
ended() {
    local code
    code=$(podman wait "$(container_of "$1")")
    podman logs "$(container_of "$1")" 2>&1 | sed "s/^/  $1: /"
    [[ $code == 0 ]] || { echo "FAILED: $1 exited with $code"; exit 1; }
}
play() { podman play kube --network host "$made/$1.yaml" >/dev/null; }

play migrate
ended migrate
echo "the chart's migration has run"
for name in api scheduler executor; do play "$name"; done
for port in 9090 9091 9092; do
    curl --silent --fail --retry 60 --retry-connrefused --retry-delay 0 --retry-max-time 30 "http://127.0.0.1:$port/readyz" >/dev/null \
        || { echo "FAILED: the process with its probes at $port is not ready"; exit 1; }
done
echo "api, scheduler and executor are ready, as pods of the chart"
play smoke
ended smoke
echo "the chart's smoke test has passed"
