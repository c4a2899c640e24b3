#!/usr/bin/env bash
# Makes each TARGET in order, stops at the first that fails, and prints a table with the duration of each.
# A target with a leading + runs in the background, and its output follows at the end. It must not use cargo in the target directory of the others.
# The targets share one build: `build` compiles everything, and the others do not compile again (BUILT).
# Usage: steps.sh [+]TARGET…
set -euo pipefail
make=${MAKE:-make}
logs=$(mktemp -d)
rows=() background=() step='' begin=$SECONDS

finish() {
    local status=$?
    trap - EXIT
    [[ -z $step ]] || rows+=("$step $((SECONDS - begin)) FAILED")
    for ((i = 0; i < ${#background[@]}; i += 2)); do kill -- "-${background[i + 1]}" 2>/dev/null || true; done
    rm -rf "$logs"
    printf '\n%-14s %7s\n' step seconds
    for row in "${rows[@]}"; do printf '%-14s %7d %s\n' $row; done
    printf '%-14s %7d\n' total $SECONDS
    [[ -z $step ]] || echo "$step failed. To repeat it: make $step"
    exit $status
}
trap finish EXIT

run() {
    local built=BUILT=1
    [[ $1 != build ]] || built=
    $make --no-print-directory $built "$1"
}

for target in "$@"; do
    if [[ $target == +* ]]; then
        target=${target#+}
        # With its own process group, so that `finish` can end all of it.
        set -m
        (begin=$SECONDS status=0
         run "$target" > "$logs/$target" 2>&1 || status=$?
         echo $((SECONDS - begin)) > "$logs/$target.seconds"
         exit $status) &
        set +m
        background+=("$target" $!)
        continue
    fi
    step=$target begin=$SECONDS
    printf '\n=== %s\n' "$step"
    run "$step"
    rows+=("$step $((SECONDS - begin)) ")
done
for ((i = 0; i < ${#background[@]}; i += 2)); do
    step=${background[i]} begin=$SECONDS status=0
    wait "${background[i + 1]}" || status=$?
    printf '\n=== %s\n' "$step"
    cat "$logs/$step"
    [[ $status == 0 ]] || exit $status
    rows+=("$step $(cat "$logs/$step.seconds") in-parallel")
done
step=''
