#!/usr/bin/env bash
# The console's pages: installs what they need, checks them, and tells their stories in a real browser.
# Usage: console.sh install|build|check|pictures|e2e [SUITE…]
#   install  npm's packages as package-lock.json has them, and Chromium if it is missing (Debian and Ubuntu, as root)
#   build    dist/, which the API embeds; installs the packages first if they are missing or others
#   check    types from docs/openapi.json, tsc, Biome, Vitest, the build and its sizes
#   pictures those of docs/console.md and the README, of the demo's workspace; needs trigrun-dev and Chromium
#   e2e      needs `check`, and trigrun-dev: TRIGRUN_DEV, or the debug build of this workspace
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
cd crates/console/web

packages() {
    # The packages need no scripts of theirs.
    npm ci --ignore-scripts --no-audit --no-fund
    touch node_modules/.package-lock.json
}

install() {
    packages
    if [[ ! -x ${CHROMIUM:-/usr/bin/chromium} ]]; then
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -yqq --no-install-recommends chromium fonts-inter
    fi
}

# Unless they are there. npm writes this file last, so that an interrupted installation is repeated.
need_packages() { [[ node_modules/.package-lock.json -nt package-lock.json ]] || packages; }

build() {
    need_packages
    npm run --silent build -- --logLevel warn
}

check() {
    need_packages
    npm run --silent check
    npm test --silent
    build
    npm run --silent size
}

e2e() {
    local dev=${TRIGRUN_DEV:-${CARGO_TARGET_DIR:-$root/target}/debug/trigrun-dev}
    [[ -x $dev ]] || { echo "$dev is missing: cargo build --package trigrun-dev" >&2; exit 1; }
    [[ -f dist/index.html ]] || { echo "dist/ is missing: .ci/console.sh check" >&2; exit 1; }
    data=$(mktemp -d)
    trap 'rm -rf "$data"' EXIT
    "$dev" --dir "$data" --port 0 --log error exec -- node e2e/run.mjs "$@"
}

pictures() {
    local dev=${TRIGRUN_DEV:-${CARGO_TARGET_DIR:-$root/target}/debug/trigrun-dev}
    command -v pngquant > /dev/null || { apt-get update -qq && apt-get install -yqq --no-install-recommends pngquant; }
    data=$(mktemp -d) printed=$(mktemp)
    "$dev" --dir "$data" --port 0 --log error run --demo > "$printed" &
    pid=$!
    trap 'kill $pid; wait $pid || true; rm -rf "$data" "$printed"' EXIT
    until grep -q 'TrigRun is at' "$printed"; do kill -0 $pid; sleep 0.2; done
    TRIGRUN_URL=$(sed -n 's/^TrigRun is at \(http[^ ]*\): .*/\1/p' "$printed") node scripts/pictures.mjs
}

case ${1:-} in
install | build | check | pictures) "$1" ;;
e2e) shift && e2e "$@" ;;
*) sed -n '2,8s/^# //p' "$root/.ci/console.sh" >&2; exit 2 ;;
esac
