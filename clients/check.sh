#!/usr/bin/env bash
# Generates clients from the documents that a server publishes, checks their types, and runs the scenario of README.md with each.
# Usage: check.sh install     installs the linters and generators into target/clients, unless they are there
#        check.sh run         checks the server at TRIGRUN_URL with TRIGRUN_TOKEN, and the document at TRIGRUN_OPERATOR_URL
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
HERE=$PWD/clients DIR=$PWD/target/clients
export CARGO_TARGET_DIR=$DIR/build CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=none
NPM=$DIR/typescript/node_modules/.bin PYTHON=$DIR/python/venv/bin

# in_parallel FUNCTION…: runs them at the same time, shows what they print, and fails if one of them fails.
in_parallel() {
    local status=0 pids=() i
    for part in "$@"; do
        (begin=$SECONDS; set -e; "$part"; echo "$part: ok, $((SECONDS - begin)) s") > "$DIR/$part.log" 2>&1 &
        pids+=($!)
    done
    for ((i = 0; i < $#; i++)); do
        wait "${pids[i]}" || { status=1; echo "${*:i+1:1} failed:"; }
        cat "$DIR/${*:i+1:1}.log"
    done
    return $status
}

# once FOLDER FILE COMMAND…: runs COMMAND in a fresh copy of the folder, unless it has run with the same FILE before.
once() {
    local folder=$DIR/$1 file=$HERE/$1/$2
    cmp -s "$file" "$folder/installed" && return
    rm -rf "$folder" && cp -r "$HERE/$1" "$folder"
    (cd "$folder" && "${@:3}")
    cp "$file" "$folder/installed"
}

npm_tools() { once typescript package-lock.json npm ci --no-audit --no-fund --ignore-scripts --loglevel=error; }
python_tools() { once python requirements.txt bash -c 'python3 -m venv venv && venv/bin/pip install --quiet --disable-pip-version-check --requirement requirements.txt'; }
# The dependencies of the client, without the client.
rust_tools() { once rust Cargo.lock bash -c 'mkdir -p dependencies/src && cp Cargo.toml Cargo.lock dependencies && echo "fn main() {}" > dependencies/src/main.rs && cargo build --quiet --locked --manifest-path dependencies/Cargo.toml'; }

lint() {
    local document
    for document in {,operator-}openapi{,-3.0}.json; do
        "$NPM/redocly" lint "$DIR/$document" --config "$HERE/redocly.yaml" --format=stylish
        "$NPM/spectral" lint "$DIR/$document" --ruleset "$HERE/spectral.yaml" --quiet
        "$PYTHON/openapi-spec-validator" "$DIR/$document"
    done
}

typescript() {
    cp "$HERE"/typescript/*.{ts,json} "$DIR/typescript"
    cd "$DIR/typescript"
    "$NPM/openapi-typescript" "$DIR/openapi.json" --output api.d.ts
    "$NPM/tsc" --project .
    node scenario.js
}

python_client() {
    cd "$DIR/python"
    cp "$HERE/python/client.py" .
    "$PYTHON/openapi-python-client" generate --path "$DIR/openapi.json" --output-path trigrun_client --overwrite --meta none \
        --config "$HERE/python/openapi-python-client.yaml" --fail-on-warning
    "$PYTHON/mypy" --strict --cache-dir "$DIR/mypy-client" client.py
    "$PYTHON/python" client.py
}

python_models() {
    cd "$DIR/python"
    cp "$HERE/python/models.py" .
    "$PYTHON/datamodel-codegen" --input "$DIR/openapi.json" --input-file-type openapi --output trigrun_models.py \
        --output-model-type pydantic_v2.BaseModel --use-annotated --formatters builtin
    "$PYTHON/mypy" --strict --cache-dir "$DIR/mypy-models" models.py
    "$PYTHON/python" models.py
}

rust() {
    cp -r "$HERE"/rust/{src,Cargo.toml,Cargo.lock} "$DIR/rust"
    cp "$DIR/openapi-3.0.json" "$DIR/rust"
    cargo run --quiet --locked --manifest-path "$DIR/rust/Cargo.toml"
}

mkdir -p "$DIR"
case ${1:-} in
    install)
        # `make check` installs them early, in the background.
        if command -v flock > /dev/null; then exec 9> "$DIR/lock"; flock 9; fi
        in_parallel npm_tools python_tools rust_tools
        ;;
    run)
        for document in openapi.json openapi-3.0.json; do
            curl --fail --silent --show-error --max-time 60 --output "$DIR/$document" "$TRIGRUN_URL/$document"
            curl --fail --silent --show-error --max-time 60 --output "$DIR/operator-$document" "$TRIGRUN_OPERATOR_URL/$document"
        done
        in_parallel lint typescript python_client python_models rust
        ;;
    *) sed -n '2,4p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac
