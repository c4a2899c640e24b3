#!/usr/bin/env bash
# Runs COMMAND while rotel, from this Python environment, collects spans. COLLECTED is the file that it writes them to.
# Usage: with-collector.sh ENVIRONMENT COMMAND [ARGUMENT…]
set -euo pipefail
agent=$(echo "$1"/lib/python3*/site-packages/rotel/rotel-agent)
COLLECTED=$(mktemp)
shift
chmod +x "$agent"
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
grpc=127.0.0.1:$(free_port)
"$agent" start --exporter blackhole --debug-log traces --debug-log-verbosity detailed \
    --otlp-grpc-endpoint "$grpc" --otlp-http-endpoint "127.0.0.1:$(free_port)" > "$COLLECTED" 2>&1 &
collector=$!
trap '{ kill "$collector" && wait "$collector"; } 2>/dev/null || true; rm "$COLLECTED"' EXIT
listens() { (: > "/dev/tcp/${grpc/:/\/}") 2>/dev/null; }
for _ in $(seq 1000); do listens && break; sleep 0.05; done
listens || { cat "$COLLECTED"; echo "the collector is not listening"; exit 1; }
export COLLECTED OTEL_EXPORTER_OTLP_ENDPOINT=http://$grpc OTEL_BSP_SCHEDULE_DELAY=200
"$@"
