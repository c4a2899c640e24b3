#!/usr/bin/env bash
# Compares the lock files with RustSec's database of advisories, and fails if a dependency has a known vulnerability. Where the database
# cannot be fetched, it says so: nothing was checked then, which is not a success.
set -euo pipefail
cd "$(dirname "$0")/.."
database=https://github.com/rustsec/advisory-db
locks=(Cargo.toml fuzz/Cargo.toml)
if ! why=$(GIT_TERMINAL_PROMPT=0 timeout 60 git ls-remote --exit-code "$database" HEAD 2>&1); then
    echo "NOT CHECKED: Cargo.lock and fuzz/Cargo.lock were not compared with known vulnerabilities, because $database cannot be reached:"
    echo "  ${why:-no response within 60 s}"
    exit 0
fi
cargo deny --version > /dev/null 2>&1 || cargo install --locked cargo-deny
for manifest in "${locks[@]}"; do
    cargo deny --manifest-path "$manifest" check --config "$PWD/deny.toml" advisories
    echo "${manifest%toml}lock has no dependency with a known vulnerability"
done
