#!/usr/bin/env bash
# Builds the fuzz targets with a stable compiler and runs each for a while.
set -euo pipefail
cd "$(dirname "$0")"
if [[ "${1:-}" == --help || "${1:-}" == -h ]]; then
  cat <<'HELP'
fuzz/run.sh [SECONDS [TARGET…]]   runs each target, or only these, for SECONDS (10)

It starts with fuzz/corpus. It keeps new inputs in fuzz/target/found, and changes no file of the repository.
A line for each target shows how many inputs ran and how many edges of the code they reached.
It fails at the first input that is not handled as documented, shows why, and prints the command that repeats it.
It needs Rust and a C++ compiler (on Debian: apt-get install build-essential). The first build takes about three minutes.
With a nightly compiler and cargo-fuzz, `cargo fuzz run TARGET` works too.
HELP
  exit 0
fi
seconds=${1:-10}
[[ $seconds =~ ^[1-9][0-9]*$ ]] || { echo "SECONDS must be a number, not $seconds (fuzz/run.sh --help)"; exit 2; }
shift || true
command -v cargo >/dev/null || { echo "Rust is missing: install it from https://rustup.rs"; exit 1; }
command -v c++ >/dev/null || { echo "a C++ compiler is missing: on Debian, apt-get install build-essential"; exit 1; }
targets=("$@")
[[ ${#targets[@]} -gt 0 ]] || for file in fuzz_targets/*.rs; do targets+=("$(basename "$file" .rs)"); done
for target in "${targets[@]}"; do
  [[ -f fuzz_targets/$target.rs ]] || { echo "there is no target $target (fuzz/fuzz_targets)"; exit 2; }
done

# The flags of cargo-fuzz, without the sanitizer, which safe code does not need. With --target, they do not apply to build scripts and
# macros.
coverage="-sanitizer-coverage-level=4 -sanitizer-coverage-inline-8bit-counters -sanitizer-coverage-pc-table -sanitizer-coverage-trace-compares"
RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module"
for option in $coverage; do RUSTFLAGS+=" -Cllvm-args=$option"; done
export RUSTFLAGS
triple=$(rustc -vV | sed -n 's/^host: //p')
cargo build --release --quiet --locked --bins --target "$triple"

target_dir=$(realpath "${CARGO_TARGET_DIR:-target}")
# No backtrace: the message and the input are enough.
export RUST_BACKTRACE=0
for target in "${targets[@]}"; do
  program=$target_dir/$triple/release/$target
  found=$target_dir/found/$target
  log=$found.log
  mkdir -p "$found"
  # libFuzzer writes into the first directory only.
  if ! "$program" "$found" "corpus/$target" -max_total_time="$seconds" -max_len=4096 -timeout=25 -rss_limit_mb=2048 \
    -artifact_prefix="$found-" -print_final_stats=1 >"$log" 2>&1; then
    grep -m 1 -A 8 -E '^thread .* panicked|^==[0-9]+== ?ERROR' "$log" || tail -n 20 "$log"
    input=$(sed -n 's/^artifact_prefix=.*Test unit written to //p' "$log")
    echo "$target: FAIL with the input $input"
    echo "repeat: $program $input"
    exit 1
  fi
  printf '%-10s ok: %s inputs, %s edges\n' "$target" "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" \
    "$(sed -nE 's/^#.*DONE +cov: ([0-9]+).*/\1/p' "$log")"
done
