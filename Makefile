# The only way in. CI calls these targets and nothing else.
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
export CARGO_TERM_COLOR ?= auto
# Tests talk to a Postgres and a Redis of their own, which this starts, and stops when the command has ended.
WITH_SERVICES := cargo run --quiet --package trigrun-embed -- exec --

.PHONY: help
help: ## What there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## Installs what is missing: Postgres and Redis (Debian packages), nothing if they are found
	@command -v cargo >/dev/null || { echo "Rust is missing: install it from https://rustup.rs (1.89 or later)"; exit 1; }
	@command -v cc >/dev/null || { echo "a C compiler is missing: on Debian, apt-get install build-essential"; exit 1; }
	cargo run --quiet --package trigrun-embed -- setup

.PHONY: run
run: setup ## The whole system on http://127.0.0.1:8080 (or TRIGRUN_PORT), on private servers under .trigrun/
	cargo build --release --package trigrun-dev
	exec cargo run --quiet --release --package trigrun-dev -- run

.PHONY: demo
demo: setup ## One job of each kind, run and recorded; ends 0 when all succeeded
	cargo build --release --package trigrun-dev
	cargo run --quiet --release --package trigrun-dev -- demo --port "$${TRIGRUN_PORT:-0}"

.PHONY: test
test: setup ## Every test, against a real Postgres and a real Redis; ARGS go to cargo test
	cargo build --workspace
	$(WITH_SERVICES) cargo test --workspace $(ARGS)

.PHONY: check
check: fmt lint test docs fuzz fuzz-inputs story traces chart security chaos-short mutants ## Everything that CI asks for

.PHONY: fmt
fmt: ## Is the code formatted? (cargo fmt formats it)
	cargo fmt --check

.PHONY: lint
lint: ## clippy, warnings are errors
	cargo clippy --workspace --all-targets -- -D warnings

.PHONY: docs
docs: ## Do the docs of the code build, without a broken link?
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet

.PHONY: schema
schema: setup ## Writes what is made from the migrations: crates/core/src/store/schema.rs, and their hash for the chart
	TRIGRUN_WRITE=1 $(WITH_SERVICES) cargo test --package trigrun-core --test it schema
	deploy/check-chart.sh --write-hash

.PHONY: openapi
openapi: ## Writes docs/openapi.json from the routes
	cargo run --quiet --package trigrun-api -- openapi > docs/openapi.json.new
	mv docs/openapi.json.new docs/openapi.json

.PHONY: configuration
configuration: ## Writes docs/configuration.md from the default files
	TRIGRUN_WRITE=1 cargo test --package trigrun-dev --test it configuration

.PHONY: fuzz
fuzz: setup ## The real API against its own document: no 5xx, nothing that the document does not say (installs schemathesis into target/)
	python3 -m venv target/fuzz
	target/fuzz/bin/pip install --quiet --disable-pip-version-check 'schemathesis>=4.32,<5'
	rm -rf target/fuzz-data
	cargo run --quiet --package trigrun-dev -- exec --port 0 --dir target/fuzz-data --log error -- bash -c '\
	  target/fuzz/bin/schemathesis run "$$TRIGRUN_URL/openapi.json" --header "Authorization: Bearer $$TRIGRUN_TOKEN" --max-examples 20 \
	    --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance \
	    --exclude-operation-id delete_workspace --generation-database none --seed 1'

.PHONY: fuzz-inputs
fuzz-inputs: ## What strangers write, against the code that reads it, guided by coverage: each of fuzz/fuzz_targets for SECONDS_EACH (5)
	@command -v c++ >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends g++; }
	fuzz/run.sh $(or $(SECONDS_EACH),5)

.PHONY: story
story: setup ## The product's story, told by curl against a fresh private system; ends non-zero at the first step that is not as documented
	cargo build --quiet --package trigrun-dev
	rm -rf target/story
	cargo run --quiet --package trigrun-dev -- exec --port 0 --dir target/story --log error -- bash crates/dev/story.sh

.PHONY: traces
traces: setup ## A run as a real collector of OpenTelemetry sees it: one tree of spans (installs rotel into target/)
	cargo build --quiet --package trigrun-dev
	python3 -m venv target/traces
	target/traces/bin/pip install --quiet --disable-pip-version-check 'rotel==0.0.1a15'
	crates/dev/with-collector.sh target/traces bash -c 'rm -rf target/traces-data; \
	  cargo run --quiet --package trigrun-dev -- exec --port 0 --dir target/traces-data --log error -- crates/dev/traces.sh'

.PHONY: security
security: setup ## Attacks the product in a network namespace without a route out: a table (docs/security.md)
	@command -v ip >/dev/null && command -v nft >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends iproute2 nftables; } \
	  || echo "iproute2 and nftables cannot be installed: the cases that dial will be skipped"
	api_tests=$$(cargo build --workspace --bins --test it --message-format=json-render-diagnostics \
	  | sed -n 's|.*/crates/api/tests/it/main.rs".*"executable":"\([^"]*\)".*|\1|p'); \
	$(BIN)/debug/trigrun-security --api-tests "$$api_tests" $(ARGS)

# SEED=7 repeats an order of faults; without it, each run has a new one, which it prints.
# The binary itself, because it starts the others that were built with it.
BIN = $${CARGO_TARGET_DIR:-target}
CHAOS = $(BIN)/release/trigrun-chaos run $(if $(SEED),--seed $(SEED))

.PHONY: chaos
chaos: setup ## A minute of kill -9, crashes and wiped servers under load; fails if the promise is broken (docs/reliability.md)
	cargo build --release --workspace
	$(CHAOS) chaos

.PHONY: chaos-short
chaos-short: setup ## The same in a debug build, half a minute, in a fixed order
	cargo build --workspace
	$(BIN)/debug/trigrun-chaos run chaos --seed 7 --seconds 30

.PHONY: mutants
mutants: setup ## Runs with one deliberate defect each, two at a time: the chaos tests must find it
	cargo build --workspace
	$(BIN)/debug/trigrun-chaos mutants

.PHONY: upgrade
upgrade: setup ## From the last release (or FROM=<commit>) to this tree, and back, process by process under load: nothing may be lost
	cargo build --workspace
	from="$${FROM:-$$(git tag --list 'v*' --sort=-version:refname | head -1)}"; \
	if [[ -z $$from ]]; then echo "there is no release yet to upgrade from; FROM=<commit> names another"; exit 0; fi; \
	rm -rf target/upgrade/source && git worktree prune && git worktree add --force --detach target/upgrade/source "$$from"; \
	trap 'git worktree remove --force target/upgrade/source' EXIT; \
	(cd target/upgrade/source && CARGO_TARGET_DIR=../build cargo build --package trigrun-api --package trigrun-scheduler --package trigrun-executor); \
	$(BIN)/debug/trigrun-chaos upgrade --old target/upgrade/build/debug

.PHONY: reliability
reliability: setup ## Every fault separately, with its cost: the tables of docs/reliability.md (about 25 minutes)
	cargo build --release --workspace
	@ls /usr/lib/*/faketime/libfaketimeMT.so.1 >/dev/null 2>&1 || { apt-get update -qq && apt-get install -y -qq --no-install-recommends faketime; }
	$(CHAOS) all

.PHONY: soak
soak: setup ## Half an hour of chaos and a million fires
	cargo build --release --workspace
	$(CHAOS) soak

# ARGS go to trigrun-bench: --only 'steady', --repetitions 5.
BENCH = $(BIN)/release/trigrun-bench
BUILD_BENCH = cargo build --release --package trigrun-api --package trigrun-scheduler --package trigrun-executor --package trigrun-bench

.PHONY: bench
bench: setup ## Throughput, lateness and cost, next to the limits of this machine: tables, target/bench/report.json and report.svg (about 15 minutes)
	$(BUILD_BENCH)
	$(BENCH) run $(ARGS)

.PHONY: bench-quick
bench-quick: setup ## The same in two minutes: fewer and shorter loads, once
	$(BUILD_BENCH)
	$(BENCH) run --quick $(ARGS)

.PHONY: bench-peers
bench-peers: setup ## TrigRun and BullMQ, pg-boss, Graphile Worker and its port to Rust: a table, target/bench/peers.json (needs Node and npm)
	@command -v npm >/dev/null || { echo "npm is missing: install Node from https://nodejs.org"; exit 1; }
	$(BUILD_BENCH)
	$(BENCH) peers $(ARGS)

.PHONY: bench-store
bench-store: setup ## What a fire, an idle second, a job and a page cost with up to ten million jobs and executions: tables, target/bench/store.json and store.svg (a quarter of an hour, 12 GB of disk)
	$(BUILD_BENCH)
	$(BENCH) store $(ARGS)

.PHONY: deny
deny: ## Licences, sources and bans of the dependencies (installs cargo-deny if it is missing)
	@cargo deny --version >/dev/null 2>&1 || cargo install --locked cargo-deny
	cargo deny check bans licenses sources

.PHONY: image
image: setup ## A container image of the three processes, trigrun:latest (needs buildah or docker; with buildah and podman, and as root, it is looked into and run)
	cargo build --release --package trigrun-api --package trigrun-scheduler --package trigrun-executor
	deploy/gather.sh target/release target/image/gathered
	if command -v buildah >/dev/null; then \
	  buildah build --isolation chroot --build-context compiled=target/image -t trigrun:latest -f deploy/Dockerfile .; \
	else docker build --build-context compiled=target/image -t trigrun:latest -f deploy/Dockerfile .; fi
	if command -v buildah >/dev/null && command -v podman >/dev/null && [[ $$(id -u) == 0 ]]; then deploy/check-image.sh; \
	else echo "the image was neither looked into nor run: that needs buildah, podman and root"; fi

.PHONY: compose
compose: ## The image as plain `docker build` makes it, and deploy/up.sh with it, from nothing and through kills: a job must fire each time (needs Docker with Compose)
	docker build -f deploy/Dockerfile -t trigrun:latest .
	deploy/check-compose.sh

.PHONY: chart
chart: ## The Helm chart, by two versions of Helm and the schemas of three of Kubernetes; its alerts by promtool (installs what is missing)
	deploy/check-chart.sh

.PHONY: cluster
cluster: ## The chart on the cluster that kubectl points to, in a namespace of its own: installed, tested, upgraded and robbed of pods while jobs fire (IMAGE=trigrun:latest)
	deploy/check-cluster.sh $(ARGS)

.PHONY: kube
kube: image chart ## What the chart makes, run by podman against a real Postgres and Redis: the migration and the smoke test must pass (as root)
	deploy/check-kube.sh
