#!/usr/bin/env bash
# Makes each TARGET in order, stops at the first that fails, and prints a table with the duration of each.
# The targets share one build: the first that needs it is `build`, and the others find it.
# Usage: steps.sh TARGET…
set -euo pipefail
rows=() total=$SECONDS step='' begin=$SECONDS
table() {
    local status=$?
    [[ -z $step ]] || rows+=("$step $((SECONDS - begin)) FAILED")
    printf '\n%-14s %7s\n' step seconds
    for row in "${rows[@]}"; do printf '%-14s %7d %s\n' $row; done
    printf '%-14s %7d\n' total $((SECONDS - total))
    [[ -z $step ]] || echo "$step failed; again: make $step"
    exit $status
}
trap table EXIT
for step in "$@"; do
    begin=$SECONDS
    printf '\n=== %s\n' "$step"
    case $step in
    build) ${MAKE:-make} --no-print-directory "$step" ;;
    *) ${MAKE:-make} --no-print-directory BUILT=1 "$step" ;;
    esac
    rows+=("$step $((SECONDS - begin)) ")
done
step=''
