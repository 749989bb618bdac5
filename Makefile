# Everything that a person runs. `make` alone lists it.

FUNCTIONS := notify call-event group-call-event agent-call-status tencent-call-event replay
PACKAGES := $(addprefix --package ,$(FUNCTIONS))
VENV := .local/venv
CHECKS := .local/checks
# The scanner wants other versions of what the SAM CLI wants too.
SCANNER := .local/scanner
# cargo-lambda finds its linker through the Python that it was installed with, so that one comes first.
CARGO_LAMBDA := PATH="$(CURDIR)/$(VENV)/bin:$$PATH" cargo lambda
# `make build PROFILE=release` is what a deployment runs; `quick` takes minutes less.
PROFILE ?= quick
# `make build ARCH=arm64` is for another machine than this one; cargo-lambda asks rustup for the target it lacks.
ARCH ?=
TARGET_x86_64 := --x86-64
TARGET_arm64 := --arm64
# Cargo.toml's `quick`, said of a release: SAM asks cargo-lambda for a release and for no other profile.
LIGHT_quick := CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16
# Only a release lies where `sam deploy` looks.
PACKAGE_quick := .aws-sam/quick
PACKAGE_release := .aws-sam/build
SAM := SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=us-east-1 $(CHECKS)/bin/sam
PYTHON := bench/peers deployment local tests/fuzz
# The benchmark is a workspace of its own; with the same folder it compiles nothing twice.
BENCH := CARGO_TARGET_DIR="$(CURDIR)/target"
# Inputs for each target of `make fuzz`.
RUNS ?= 10000000

.DEFAULT_GOAL := help
.PHONY: help run test build package check token deploy smoke logs replay restore erase destroy bench cost chaos fuzz fmt clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/ready ## start the local stack, play every sample event, then show each callback until Ctrl-C
	@exec $(VENV)/bin/python -m local run

test: $(VENV)/ready ## run all tests: units, handlers, and the built functions against emulated AWS
	cargo test --locked --workspace --exclude ringback-tests
	$(VENV)/bin/python -m unittest discover --start-directory local --top-level-directory .
	$(VENV)/bin/python -m unittest discover --start-directory deployment --top-level-directory .
	$(VENV)/bin/python -m local run --once
	$(VENV)/bin/python -m local exec -- $(VENV)/bin/python -m unittest deployment.test_smoke deployment.test_records
	$(VENV)/bin/python -m local exec -- cargo test --locked --package ringback-tests -- --include-ignored
	$(BENCH) $(VENV)/bin/python -m local exec -- cargo test --locked --manifest-path bench/Cargo.toml -- --include-ignored

build: $(VENV)/ready ## build target/lambda/<function>/bootstrap (PROFILE=release for a deployment; ARCH=x86_64 or ARCH=arm64 for a machine unlike this one)
	$(if $(and $(ARCH),$(if $(TARGET_$(ARCH)),,unknown)),$(error ARCH is x86_64 or arm64))
	$(CARGO_LAMBDA) build --locked --profile $(PROFILE) $(TARGET_$(ARCH)) $(PACKAGES)

package: $(VENV)/ready $(CHECKS)/python-ready ## build what a deployment uploads, and look at it (PROFILE=release for one that may be deployed; ARCH=x86_64 for the other processor)
	$(if $(and $(ARCH),$(if $(TARGET_$(ARCH)),,unknown)),$(error ARCH is x86_64 or arm64))
	$(if $(PACKAGE_$(PROFILE)),,$(error PROFILE is quick or release))
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(LIGHT_$(PROFILE)) $(SAM) build --no-cached --build-dir $(PACKAGE_$(PROFILE)) \
	  --parameter-overrides Architecture=$(or $(ARCH),arm64)
	@FOLDER=$(PACKAGE_$(PROFILE)) ARCH=$(or $(ARCH),arm64) $(VENV)/bin/python -m deployment packaged

check: $(CHECKS)/ready $(SCANNER)/ready $(VENV)/ready ## formatting and lints, the template and its security, unused dependencies, licences and bans
	cargo fmt --all --check
	cargo fmt --check --manifest-path tests/fuzz/Cargo.toml
	cargo fmt --check --all --manifest-path bench/Cargo.toml
	$(CHECKS)/bin/ruff format --check --config .ci/ruff.toml $(PYTHON)
	$(CHECKS)/bin/ruff check --config .ci/ruff.toml $(PYTHON)
	cargo clippy --locked --workspace --all-targets -- -D warnings
	$(BENCH) cargo clippy --locked --workspace --all-targets --manifest-path bench/Cargo.toml -- -D warnings
	$(SAM) validate --lint --template template.yaml
	$(VENV)/bin/python -m deployment.scanned > .local/scanned.json
	$(SCANNER)/bin/checkov
	$(CHECKS)/bin/cargo-machete
	PATH="$(CURDIR)/$(CHECKS)/bin:$$PATH" cargo deny --locked check --deny warnings --hide-inclusion-graph licenses bans sources

token: ## make a token: the secret in your URLs, its digest and the URLs (API_URL=https://... for whole ones)
	@python3 local/make_token.py

deploy: $(VENV)/ready ## build and deploy STAGE=dev or STAGE=prod; the first time with TOKEN_SHA256=digest and LINE_SERVICE_IDS=... or TENCENT_SDK_APP_IDS=...
	@$(VENV)/bin/python -m deployment deploy

smoke: $(VENV)/ready ## send one synthetic callback of each kind to URL=https://.../TOKEN, check what becomes of it (STACK=name: the records too) and remove it
	@$(VENV)/bin/python -m deployment smoke

logs: $(VENV)/ready ## show what the functions of STACK=name print, until Ctrl-C (FUNCTION=notify for one, SINCE=15m)
	@$(VENV)/bin/python -m deployment logs

replay: $(VENV)/ready ## send dead letters through the spool again: of `make run`, or with STACK=name of a deployment
	@$(VENV)/bin/python -m local replay

restore: $(VENV)/ready ## put back into the table of STACK=name what it lacks of the restored table FROM=name
	@$(VENV)/bin/python -m deployment restore

erase: $(VENV)/ready ## erase the user USER_ID=... from the records of STACK=name, after saying how many calls that is
	@$(VENV)/bin/python -m deployment erase

destroy: $(VENV)/ready ## delete STACK=name after saying what goes and what stays; the table stays
	@$(VENV)/bin/python -m deployment destroy

bench: $(VENV)/ready ## measure the release builds against a no-op, the SDK's defaults, Node and Python; writes docs/performance.md and .json (some 40 minutes the first time, 10 after)
	bench/peers/set_up
	$(CARGO_LAMBDA) build --locked --release $(PACKAGES)
	$(BENCH) $(CARGO_LAMBDA) build --locked --release --manifest-path bench/Cargo.toml --package floor --lambda-dir target/lambda
	$(BENCH) cargo run --locked --profile quick --manifest-path bench/Cargo.toml -- --out docs/performance.md

cost: ## compute what a deployment costs from docs/performance.json and deployment/prices.json; writes docs/cost.md
	@python3 -m deployment.cost

chaos: $(VENV)/ready ## run the functions against an AWS that refuses, throttles, hangs and resets; writes docs/chaos.md (about a quarter of an hour)
	$(VENV)/bin/python -m local exec -- cargo run --locked --package ringback-tests --bin chaos -- --callbacks 1000 --out docs/chaos.md

fuzz: .local/fuzz/bin/cargo-fuzz ## fuzz every reader with coverage guidance, RUNS inputs each (10,000,000; wants a nightly compiler)
	python3 tests/fuzz/corpus.py unpack tests/fuzz/target/corpus
	set -e; for target in query tencent_body gateway_event spool_message; do \
	  PATH="$(CURDIR)/.local/fuzz/bin:$$PATH" cargo +nightly fuzz run --fuzz-dir tests/fuzz --sanitizer none --strip-dead-code \
	    --no-trace-compares $$target tests/fuzz/target/corpus/$$target -- -runs=$(RUNS) -max_len=$$([ $$target = spool_message ] && echo 2048 || echo 512) \
	    -dict=tests/fuzz/dictionary.txt -use_counters=0 -entropic=0 -reduce_inputs=0 -timeout=10 -print_final_stats=1; \
	done

fmt: $(CHECKS)/python-ready ## format the code
	cargo fmt --all
	cargo fmt --all --manifest-path bench/Cargo.toml
	$(CHECKS)/bin/ruff format --config .ci/ruff.toml $(PYTHON)

clean: ## remove everything that was made here
	rm -rf target .local .aws-sam tests/fuzz/target tests/fuzz/artifacts

$(VENV)/ready: local/requirements.txt
	python3 -m venv --clear $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

$(CHECKS)/python-ready: .ci/requirements.txt
	python3 -m venv --clear $(CHECKS)
	$(CHECKS)/bin/pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

$(CHECKS)/ready: $(CHECKS)/python-ready Makefile
	cargo install --quiet --locked --debug --root $(CHECKS) cargo-machete@0.9.2
	CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --locked --debug --root $(CHECKS) cargo-deny@0.20.2
	@touch $@

$(SCANNER)/ready: .ci/scanner.txt
	python3 -m venv --clear $(SCANNER)
	$(SCANNER)/bin/pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

.local/fuzz/bin/cargo-fuzz: Makefile
	cargo install --quiet --locked --root .local/fuzz cargo-fuzz@0.13.2
	@touch $@
