#!/usr/bin/env bash
# Runs COMMAND while LOOPS busy loops run on the same machine, and ends the loops with it, also when it fails.
# Usage: busy.sh LOOPS COMMAND [ARGUMENT…]
set -euo pipefail
loops=()
trap 'kill "${loops[@]}" 2>/dev/null || true; wait "${loops[@]}" 2>/dev/null || true' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
parent=$$
for ((i = 0; i < $1; i++)); do
    # A loop also ends when this script was killed.
    (while kill -0 "$parent" 2>/dev/null; do for ((n = 0; n < 100000; n++)); do :; done; done) &
    loops+=($!)
done
echo "$1 busy loops run at the same time as: ${*:2}"
shift
"$@"
