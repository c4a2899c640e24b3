#!/usr/bin/env bash
# Builds the fuzz targets with a stable compiler and runs each for a while.
set -euo pipefail
cd "$(dirname "$0")"
if [[ "${1:-}" == --help ]]; then
  cat <<'HELP'
fuzz/run.sh [SECONDS [TARGET…]]   each target for so many seconds (10), or only these

The corpus in fuzz/corpus is where it begins; what is found is kept in fuzz/target/found, and no file of the repository changes.
A crash ends it with the file of the input: `fuzz/target/<triple>/release/<target> FILE` plays it again.
With a nightly compiler, `cargo fuzz run TARGET` works, too.
HELP
  exit 0
fi
command -v c++ >/dev/null || { echo "a C++ compiler is missing: on Debian, apt-get install build-essential"; exit 1; }
seconds=${1:-10}
shift || true
# What cargo-fuzz would set, but for the sanitizer, which safe code has no use for. With --target, build scripts stay as they are.
triple=$(rustc -vV | sed -n 's/^host: //p')
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares"
target_dir=${CARGO_TARGET_DIR:-target}
cargo build --release --quiet --locked --bins --target "$triple"
targets=("$@")
[[ ${#targets[@]} -gt 0 ]] || for file in fuzz_targets/*.rs; do targets+=("$(basename "$file" .rs)"); done
for target in "${targets[@]}"; do
  found=$target_dir/found/$target
  mkdir -p "$found"
  log=$target_dir/found/$target.log
  if ! "$target_dir/$triple/release/$target" "$found" "corpus/$target" -max_total_time="$seconds" -max_len=4096 -timeout=10 \
    -rss_limit_mb=2048 -artifact_prefix="$target_dir/found/$target-" -print_final_stats=1 >"$log" 2>&1; then
    tail -n 30 "$log"
    echo "$target: NOT SO; the input is in $target_dir/found"
    exit 1
  fi
  printf '%-10s %s inputs, coverage %s\n' "$target" "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" \
    "$(grep -oE 'DONE +cov: [0-9]+' "$log" | grep -oE '[0-9]+$')"
done
