#!/usr/bin/env bash
# Scrapes a running API, scheduler and executor as Prometheus does. The response must have the content type of the text format, without
# which Prometheus 3 refuses it, and `promtool check metrics` must have no remark. A smoke test runs first, so that the metrics have values.
# Usage: check-metrics.sh BINARIES, within `trigrun-embed exec`.
set -euo pipefail
cd "$(dirname "$0")/.."
binaries=$1
promtool=$(deploy/promtool.sh)
logs=$(mktemp -d)
processes=()
finish() {
    status=$?
    for process in "${processes[@]}"; do { kill "$process" && wait "$process"; } 2> /dev/null || true; done
    [[ $status == 0 ]] || tail -n 20 "$logs"/*.log
    rm -rf "$logs"
}
trap finish EXIT
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

export TRIGRUN__POSTGRES__URL=$TRIGRUN_TEST_POSTGRES TRIGRUN__REDIS__URL=$TRIGRUN_TEST_REDIS TRIGRUN__REDIS__NAMESPACE=metrics
keys="[\"$("$binaries/trigrun-api" keys generate)\"]"
api=127.0.0.1:$(free_port)
with_keys=(env "TRIGRUN__KEYS__MASTER=$keys" 'TRIGRUN__EGRESS__ALLOW=["127.0.0.0/8"]')
"$binaries/trigrun-api" migrate > "$logs/migrate.log" 2>&1
declare -A probes
for name in api scheduler executor; do
    probes[$name]=127.0.0.1:$(free_port)
    with=(env)
    [[ $name == scheduler ]] || with=("${with_keys[@]}")
    [[ $name != api ]] || with+=("TRIGRUN__SERVER__ADDRESS=$api")
    "${with[@]}" "TRIGRUN__TELEMETRY__PROBES_ADDRESS=${probes[$name]}" "$binaries/trigrun-$name" > "$logs/$name.log" 2>&1 &
    processes+=($!)
done
for name in "${!probes[@]}"; do
    curl --silent --show-error --fail --retry 600 --retry-delay 1 --retry-all-errors --output /dev/null "http://${probes[$name]}/readyz" 2> "$logs/curl.log"
done
"${with_keys[@]}" "$binaries/trigrun-api" smoke --url "http://$api" --target "http://$api/livez" > "$logs/smoke.log" 2>&1

remarks_on() { # what, file
    local remarks
    remarks=$("$promtool" check metrics < "$2" 2>&1) && [[ -z $remarks ]] || { printf 'promtool check metrics, %s:\n%s\n' "$1" "$remarks"; exit 1; }
}
for name in api scheduler executor; do
    type=$(curl --silent --fail --output "$logs/$name.metrics" --write-out '%{content_type}' "http://${probes[$name]}/metrics")
    [[ $type == 'text/plain; version=0.0.4' ]] || { echo "the metrics of the $name have the content type '$type'"; exit 1; }
    grep -q '^trigrun_build_info{' "$logs/$name.metrics" || { echo "the $name has no metrics"; exit 1; }
    remarks_on "$name" "$logs/$name.metrics"
    echo "$name: promtool has no remark on its $(grep -c '^# TYPE ' "$logs/$name.metrics") metrics"
done

# A counter appears with its first event. The names of those that did not appear are checked as documented.
scraped=$(sed -n 's/^# TYPE \([^ ]*\) .*/\1/p' "$logs"/*.metrics | sort -u)
documented=$(sed -n 's/^| `\(trigrun_[a-z_]*\)` |.*/\1/p' docs/operations.md | sort -u)
undocumented=$(comm -23 <(grep ^trigrun_ <<< "$scraped") <(echo "$documented"))
[[ -z $undocumented ]] || { echo "docs/operations.md does not list $undocumented"; exit 1; }
for name in $(comm -13 <(echo "$scraped") <(echo "$documented")); do
    [[ $name == *_total ]] && type=counter || type=gauge
    printf '# HELP %s As documented.\n# TYPE %s %s\n%s 1\n' "$name" "$name" "$type" "$name"
done > "$logs/documented"
remarks_on "docs/operations.md" "$logs/documented"
echo "and none on the names of the $(grep -c '^# TYPE ' "$logs/documented") metrics that have no value yet"
