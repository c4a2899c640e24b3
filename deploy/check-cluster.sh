#!/usr/bin/env bash
# Tests the chart with its demo on a real cluster, that of kubectl's current context, in a temporary namespace: installs it, tests it,
# upgrades it and kills pods while jobs fire, and uninstalls it. Exits non-zero at the first failure.
#   IMAGE=registry.example.com/trigrun:0.1.0 deploy/check-cluster.sh [ARGUMENT OF HELM…]
# The nodes must have IMAGE or be able to fetch it. Needs kubectl, helm and python3.
set -euo pipefail
cd "$(dirname "$0")/.."
image=${IMAGE:-trigrun:latest}
namespace=trigrun-check-$RANDOM
fail() { echo "FAILED: $1"; exit 1; }
kube() { kubectl --namespace "$namespace" "$@"; }
forward=''
finish() {
    [[ -z $forward ]] || kill "$forward" 2> /dev/null || true
    kubectl delete namespace "$namespace" --wait=false > /dev/null 2>&1 || true
}
trap finish EXIT
# Forwards a port to a running API pod. A forward ends with its pod.
api() {
    [[ -z $forward ]] || { kill "$forward" && wait "$forward"; } 2> /dev/null || true
    local port
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    kubectl --namespace "$namespace" port-forward svc/trigrun-api "$port:80" > /dev/null 2>&1 &
    forward=$!
    curl --silent --fail --retry 60 --retry-all-errors --retry-delay 0 --retry-max-time 30 "http://127.0.0.1:$port/livez" > /dev/null || fail "the API cannot be reached"
    export TRIGRUN_URL=http://127.0.0.1:$port
}
release() {
    helm "$1" trigrun deploy/helm/trigrun --namespace "$namespace" --wait --timeout 5m \
        --set "image.repository=${image%:*},image.tag=${image##*:}" --set demo.enabled=true \
        --set 'egress.allow={10.0.0.0/8,172.16.0.0/12,192.168.0.0/16}' \
        --set "smoke.target=http://trigrun-api.$namespace.svc.cluster.local/livez" "${@:2}" > /dev/null
}
smoke() { helm test trigrun --namespace "$namespace" --logs | sed -n '/^POD LOGS/,$ { /^POD LOGS/d; s/^/  /p }'; }

# The jobs call the API. Before 1.30, Kubernetes cannot delay its shutdown until all proxies know that it terminates, so a request may be
# refused.
minor=$(kubectl version --output json | python3 -c 'import json, re, sys; print(re.match(r"\d+", json.load(sys.stdin)["serverVersion"]["minor"])[0])')
once=(); (( minor < 30 )) || once=(--once)

kubectl create namespace "$namespace" > /dev/null
kubectl label namespace "$namespace" pod-security.kubernetes.io/enforce=restricted > /dev/null
release install "$@"
echo "installed; all pods are ready"
smoke
[[ $(kube get jobs --selector app.kubernetes.io/component=migrate --output jsonpath='{.items[*].status.failed}') == '' ]] || fail "an attempt of the migration failed"
WORKSPACE=$(kube exec deploy/trigrun-api -- trigrun-api workspace create --name main)
TRIGRUN_TOKEN=$(kube exec deploy/trigrun-api -- trigrun-api token create --workspace "$WORKSPACE" --name first)
export TRIGRUN_TOKEN
target=http://trigrun-api.$namespace.svc.cluster.local/livez
kube exec deploy/trigrun-api -- trigrun-api doctor > /dev/null || fail "doctor reports a problem"

api
python3 deploy/fires.py create upgrade "$target"
release upgrade "$@" --set-string "$(printf '%s.podAnnotations.round=2,' api scheduler executor)"
echo "upgraded, pod by pod, while jobs fired:"
api
python3 deploy/fires.py check upgrade "${once[@]}"

python3 deploy/fires.py create kill "$target"
for part in scheduler executor api; do
    pod=$(kube get pods --selector "app.kubernetes.io/component=$part" --output jsonpath='{.items[0].metadata.name}')
    kube delete pod --grace-period 0 --force --wait=false "$pod" > /dev/null 2>&1 || fail "could not kill $pod"
done
for part in api scheduler executor; do kube rollout status "deploy/trigrun-$part" --timeout 5m > /dev/null; done
echo "killed a pod of each kind while jobs fired:"
api
python3 deploy/fires.py check kill
smoke
helm uninstall trigrun --namespace "$namespace" --wait > /dev/null
# The pod of a test has no owner, so it stays until the next test.
kube delete pod trigrun-smoke > /dev/null
# Waits until Kubernetes has removed the owned objects. Executors drain first.
kube wait --for=delete pods,replicasets --selector app.kubernetes.io/instance=trigrun --timeout 6m > /dev/null
left=$(kube get all,secrets,configmaps,serviceaccounts,networkpolicies,poddisruptionbudgets --selector app.kubernetes.io/instance=trigrun --output name)
[[ -z $left ]] || fail "the uninstall leaves $left"
echo "uninstalled; no objects remain"
