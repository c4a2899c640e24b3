#!/usr/bin/env bash
# Makes each TARGET in order, stops at the first that fails, and prints a table with the duration of each, and its seconds of processor time.
# A target with a leading + runs in the background, and its output follows at the end, or before the next step once it has failed. It must not
# use cargo in the target directory of those that run in the foreground. `wait` waits for those in the background.
# The targets share one build: `build` compiles everything, and the others do not compile again (BUILT).
# Usage: steps.sh [[+]TARGET|wait]…
set -euo pipefail
make=${MAKE:-make}
logs=$(mktemp -d)
rows=() background=() step='' begin=$SECONDS

finish() {
    local status=$?
    trap - EXIT
    [[ -z $step ]] || rows+=("$step $((SECONDS - begin)) $(processor "$step") FAILED")
    for ((i = 0; i < ${#background[@]}; i += 2)); do kill -- "-${background[i + 1]}" 2>/dev/null || true; done
    # Those that have failed beside a step that failed, too.
    for ((i = 0; i < ${#background[@]}; i += 2)); do
        local failed=${background[i]}
        [[ -e $logs/$failed.failed && $failed != "$step" ]] || continue
        printf '\n=== %s\n' "$failed"
        cat "$logs/$failed"
        rows+=("$failed $(cat "$logs/$failed.seconds") $(processor "$failed") FAILED")
    done
    rm -rf "$logs"
    printf '\n%-14s %7s %9s\n' step seconds processor
    for row in "${rows[@]}"; do printf '%-14s %7d %9d %s\n' $row; done
    printf '%-14s %7d\n' total $SECONDS
    [[ -z $step ]] || echo "$step failed. To repeat it: make $step"
    exit $status
}
trap finish EXIT

# Prints the output of a target that ran in the background, and exits if it failed.
report() {
    local status=0
    step=$1
    wait "$2" || status=$?
    printf '\n=== %s\n' "$step"
    cat "$logs/$step"
    begin=$((SECONDS - $(cat "$logs/$step.seconds")))
    [[ $status == 0 ]] || exit $status
    rows+=("$step $((SECONDS - begin)) $(processor "$step") in-parallel")
}

# Of those in the background; with `failed`, of those that have failed.
report_all() {
    local remaining=()
    for ((i = 0; i < ${#background[@]}; i += 2)); do
        if [[ ${1-} != failed || -e $logs/${background[i]}.failed ]]; then report "${background[i]}" "${background[i + 1]}"
        else remaining+=("${background[@]:i:2}"); fi
    done
    background=("${remaining[@]}")
    step=''
}

# How many seconds of processor time a step has used; 0 while it runs.
processor() {
    [[ -s $logs/$1.processor ]] || { echo 0; return; }
    awk '{ printf "%.0f", $1 + $2 }' "$logs/$1.processor"
}

run() {
    local built=BUILT=1 TIMEFORMAT='%U %S'
    [[ $1 != build ]] || built=
    { time $make --no-print-directory $built "$1" 2>&3; } 3>&2 2> "$logs/$1.processor"
}

for target in "$@"; do
    if [[ $target == +* ]]; then
        target=${target#+}
        # With its own process group, so that `finish` can end all of it.
        set -m
        (begin=$SECONDS status=0
         run "$target" > "$logs/$target" 2>&1 || status=$?
         echo $((SECONDS - begin)) > "$logs/$target.seconds"
         [[ $status == 0 ]] || touch "$logs/$target.failed"
         exit $status) &
        set +m
        background+=("$target" $!)
        continue
    fi
    report_all failed
    [[ $target != wait ]] || { report_all; continue; }
    step=$target begin=$SECONDS
    printf '\n=== %s\n' "$step"
    # In a shell of its own, which does not count the steps that end in the background meanwhile.
    (run "$step")
    rows+=("$step $((SECONDS - begin)) $(processor "$step") ")
done
report_all
step=''
