#!/usr/bin/env bash
# Runs COMMAND while rotel, from this Python environment, collects spans. COLLECTED is the file that it writes them to. With --tls, the
# collector is reached over TLS only, with a certificate whose authority is in SSL_CERT_FILE.
# Usage: with-collector.sh [--tls] ENVIRONMENT COMMAND [ARGUMENT…]
set -euo pipefail
tls=''
[[ $1 != --tls ]] || { tls=1; shift; }
agent=$(echo "$1"/lib/python3*/site-packages/rotel/rotel-agent)
dir=$(mktemp -d)
COLLECTED=$dir/collected
shift
chmod +x "$agent"
processes=()
finish() {
    for process in "${processes[@]}"; do { kill "$process" && wait "$process"; } 2>/dev/null || true; done
    rm -rf "$dir"
}
trap finish EXIT
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
listens() { (: > "/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
await() { # name, port
    for _ in $(seq 1000); do listens "$2" && return; sleep 0.05; done
    cat "$COLLECTED"
    echo "$1 is not listening"
    exit 1
}
port=$(free_port)
"$agent" start --exporter blackhole --debug-log traces --debug-log-verbosity detailed \
    --otlp-grpc-endpoint "127.0.0.1:$port" --otlp-http-endpoint "127.0.0.1:$(free_port)" > "$COLLECTED" 2>&1 &
processes+=($!)
await "the collector" "$port"
endpoint=http://127.0.0.1:$port
if [[ -n $tls ]]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj '/CN=authority of make traces' \
        -addext 'basicConstraints=critical,CA:TRUE' -keyout "$dir/authority.key" -out "$dir/authority.pem" 2>/dev/null
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj '/CN=collector' \
        -addext 'subjectAltName=DNS:localhost' -addext 'basicConstraints=critical,CA:FALSE' \
        -CA "$dir/authority.pem" -CAkey "$dir/authority.key" -keyout "$dir/collector.key" -out "$dir/collector.pem" 2>/dev/null
    secure=$(free_port)
    python3 "$(dirname "$0")/tls-proxy.py" "$secure" "$port" "$dir/collector.pem" "$dir/collector.key" &
    processes+=($!)
    await "the proxy with TLS" "$secure"
    endpoint=https://localhost:$secure
    export SSL_CERT_FILE=$dir/authority.pem
fi
export COLLECTED OTEL_EXPORTER_OTLP_ENDPOINT=$endpoint OTEL_BSP_SCHEDULE_DELAY=200
"$@"
