#!/usr/bin/env bash
# Prints the path of promtool. Unpacks it from Debian's package into target/chart-tools if it is missing there, without installing the
# package, because the installation would start a server.
set -euo pipefail
tools=$(cd "$(dirname "$0")/.." && pwd)/target/chart-tools
if [[ ! -x $tools/prometheus/usr/bin/promtool ]]; then
    as_root() { if [[ $(id -u) == 0 ]]; then "$@"; else sudo -n "$@"; fi; }
    mkdir -p "$tools"
    cd "$tools"
    { apt-get download -qq prometheus || { as_root apt-get update -qq && apt-get download -qq prometheus; }; } > /dev/null 2>&1 \
        || { echo "promtool is missing, and Debian's package prometheus cannot be downloaded" >&2; exit 1; }
    dpkg-deb -x prometheus_*.deb prometheus
    rm prometheus_*.deb
fi
echo "$tools/prometheus/usr/bin/promtool"
