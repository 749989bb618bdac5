# Everything that you run by hand. `make` alone lists it.

FUNCTIONS := $(notdir $(wildcard functions/*))
PACKAGES := $(addprefix --package ,$(FUNCTIONS))
VENV := .local/venv
CHECKS := .local/checks
# Separate, because the scanner and the SAM CLI need different versions of the same packages.
SCANNER := .local/scanner
# Checks that a function does what its OpenAPI description says.
SCHEMATHESIS := .local/schemathesis
# Looks at the console with the system's Chromium. Where there is none, the tests are left out and say so.
BROWSER := .local/browser
# cargo-lambda finds its linker through the Python that it was installed with, so that Python comes first.
CARGO_LAMBDA := PATH="$(CURDIR)/$(VENV)/bin:$$PATH" cargo lambda
# Amazon's DynamoDB Local, from an npm package. Only its jar is needed, so npm does not install the package.
DYNAMODB_LOCAL := amplify-dynamodb-simulator@2.9.30
DYNAMODB_LOCAL_SHA256 := 3503ffac19f183407909fecdacf4db51ab1fdad1da7b2f177016670b2d80e4b9
# `make test STORE=dynamodb-local` keeps the records there instead of in MiniStack.
STORE ?= ministack
# A deployment uses `release`; `quick` builds minutes faster.
PROFILE ?= quick
# `make build ARCH=arm64` builds for another processor; cargo-lambda gets its target from rustup.
ARCH ?=
TARGET_x86_64 := --x86-64
TARGET_arm64 := --arm64
# Cargo.toml's `quick` as settings of a release, because SAM can only build a release.
LIGHT_quick := CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=off \
  CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16
# `sam deploy` finds only a release.
PACKAGE_quick := .aws-sam/quick
PACKAGE_release := .aws-sam/build
SAM := SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=us-east-1 $(CHECKS)/bin/sam
TEST_TOOLS := $(VENV)/ready $(SCHEMATHESIS)/ready $(BROWSER)/ready
PYTHON := bench/peers deployment local tests/browser
# Lines of more than 110 characters. Data, lock files and a line with one long word (a link) are not counted.
LONG_LINES = LC_ALL=C.UTF-8 git grep --untracked -nIE -e '^.{111}' --and --not -e '[^ ]{80}' -- . \
  ':!*.json' ':!*.jsonl' ':!*.lock' ':!*.pem' ':!*.svg' ':!LICENSE-*'
# The first build shows its progress, later ones only what runs.
QUIETLY := $(if $(wildcard target/debug/ringback-cases),--quiet)
# The local stack. It starts the functions that are built beside it.
LOCAL := target/debug/ringback-local
# The operators' program. `cargo install --path cli` puts it where every terminal finds it.
RINGBACK := cargo run $(if $(wildcard target/debug/ringback),--quiet) --locked --package ringback-cli --
AT_STACK = $(if $(STACK),--stack $(STACK))
CONFIRMED = $(if $(CONFIRM),--yes $(CONFIRM))
# The benchmark is a separate workspace; with the same target folder it compiles nothing twice.
BENCH := CARGO_TARGET_DIR="$(CURDIR)/target"
# DynamoDB Local does not know a table's protection and recovery, which `ringback doctor` looks at.
NOT_LOCAL := $(if $(filter dynamodb-local,$(STORE)),--skip a_doctor_looks_into_a_deployment)
# Inputs per target of `make fuzz`.
RUNS ?= 10000000

.DEFAULT_GOAL := help
.PHONY: help run test quick cases build package check token deploy smoke logs replay restore erase destroy
.PHONY: bench chaos fuzz fmt clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/ready local ## start the local stack, play calls, serve until Ctrl-C (ALL=yes shows every case)
	@exec $(LOCAL) run

quick: cases ## the fast loop: formatting, lints and the library's tests
	cargo fmt --all --check
	cargo clippy --quiet --locked --workspace --all-targets -- -D warnings
	cargo test --quiet --locked --package ringback

test: $(TEST_TOOLS) cases local store ## all tests (or STORE=dynamodb-local)
ifneq ($(STORE),dynamodb-local)
	cargo test --locked --workspace --exclude ringback-tests
	for folder in local deployment; do $(LOCAL) exec -- $(VENV)/bin/python -m unittest discover \
	  --start-directory $$folder --top-level-directory . || exit 1; done
	$(BENCH) $(LOCAL) exec -- cargo test --locked --manifest-path bench/Cargo.toml \
	  -- --include-ignored
	cargo build --quiet --locked --package ringback-cli
	$(LOCAL) exec -- $(BROWSER)/bin/python -m unittest discover --verbose --start-directory tests/browser
endif
	$(LOCAL) run --once
	$(LOCAL) exec -- cargo test --locked --package ringback-cli -- --ignored $(NOT_LOCAL)
	$(LOCAL) exec -- cargo test --locked --package ringback-tests -- --include-ignored

cases: ## write every case of events/ and tests/cases/ to target/cases
	@cargo run $(QUIETLY) --locked --package ringback-cases > /dev/null

.PHONY: local store
local:
	@cargo build $(if $(wildcard $(LOCAL)),--quiet) --locked --package ringback-local \
	  --package ringback-cli $(PACKAGES)

store: $(if $(filter dynamodb-local,$(STORE)),.local/dynamodb-local/ready)

build: $(VENV)/ready ## build target/lambda/<function>/bootstrap (PROFILE=release; ARCH=arm64 or ARCH=x86_64)
	$(if $(and $(ARCH),$(if $(TARGET_$(ARCH)),,unknown)),$(error ARCH is x86_64 or arm64))
	$(CARGO_LAMBDA) build --locked --profile $(PROFILE) $(TARGET_$(ARCH)) $(PACKAGES)

package: $(VENV)/ready $(CHECKS)/python-ready ## build and check what a deployment uploads (PROFILE=release)
	$(if $(and $(ARCH),$(if $(TARGET_$(ARCH)),,unknown)),$(error ARCH is x86_64 or arm64))
	$(if $(PACKAGE_$(PROFILE)),,$(error PROFILE is quick or release))
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(LIGHT_$(PROFILE)) $(SAM) build --no-cached \
	  --build-dir $(PACKAGE_$(PROFILE)) --parameter-overrides Architecture=$(or $(ARCH),arm64)
	@deployment/packaged $(PACKAGE_$(PROFILE)) $(or $(ARCH),arm64)

check: $(CHECKS)/ready $(SCANNER)/ready $(VENV)/ready ## formatting, lints, types, docs, template, licences
	@! $(LONG_LINES) || { echo 'lines of more than 110 characters: see above' >&2; exit 1; }
	@! git grep --untracked -nE '^(<<<<<<<|>>>>>>>) ' || { echo 'marks of a merge: see above' >&2; exit 1; }
	cargo fmt --all --check
	cargo fmt --check --manifest-path tests/fuzz/Cargo.toml
	cargo fmt --check --all --manifest-path bench/Cargo.toml
	$(CHECKS)/bin/ruff format --check $(PYTHON)
	$(CHECKS)/bin/ruff check $(PYTHON)
	$(CHECKS)/bin/mypy
	cargo clippy --locked --workspace --all-targets -- -D warnings
	$(BENCH) cargo clippy --locked --workspace --all-targets --manifest-path bench/Cargo.toml -- -D warnings
	RUSTDOCFLAGS=-Dwarnings cargo doc --quiet --locked --workspace --no-deps
	$(SAM) validate --lint --template template.yaml
	$(VENV)/bin/python -m deployment.base > .local/base.json
	$(CHECKS)/bin/cfn-lint --regions us-east-1 --ignore-checks W2001 --template .local/base.json
	$(VENV)/bin/python -m deployment.scanned > .local/scanned.json
	$(SCANNER)/bin/checkov
	$(CHECKS)/bin/cargo-machete
	PATH="$(CURDIR)/$(CHECKS)/bin:$$PATH" cargo deny --locked check --deny warnings --hide-inclusion-graph \
	  licenses bans sources

token: ## make a token, the secret in your URLs (API_URL=https://... prints the whole URLs)
	@$(RINGBACK) token

deploy: $(VENV)/ready $(CHECKS)/python-ready ## build and deploy STAGE=dev or STAGE=prod (docs/deploy.md)
	@$(RINGBACK) deploy $(or $(STAGE),$(error which stage? Set STAGE=dev or STAGE=prod)) $(AT_STACK) $(CONFIRMED)

smoke: ## `ringback doctor`: try the local stack, or STACK=name, or URL=https://.../TOKEN
	@RINGBACK_URL="$$URL" $(RINGBACK) doctor $(AT_STACK)

logs: $(CHECKS)/python-ready ## show the logs of STACK=name until Ctrl-C (FUNCTION=NotifyFunction, SINCE=15m)
	$(if $(STACK),,$(error which stack? Set STACK=name))
	@SAM_CLI_TELEMETRY=0 $(CHECKS)/bin/sam logs --stack-name $(STACK) --tail \
	  --start-time '$(or $(SINCE),15m) ago' $(if $(FUNCTION),--name $(FUNCTION))

replay: ## `ringback replay`: dead letters back into the spool, of `make run` or of STACK=name
	@$(RINGBACK) replay $(AT_STACK)

restore: ## `ringback restore`: put back into the table of STACK=name what it lacks of the table FROM=name
	@$(RINGBACK) restore "$$FROM" $(AT_STACK)

erase: ## `ringback erase`: erase the user USER_ID=... from the records of STACK=name
	@$(RINGBACK) erase "$$USER_ID" $(AT_STACK)

destroy: $(VENV)/ready $(CHECKS)/python-ready ## `ringback destroy`: delete STACK=name; its tables stay
	@$(RINGBACK) destroy $(AT_STACK) $(CONFIRMED) $(if $(filter yes,$(PRODUCTION)),--production) \
	  $(if $(filter yes,$(LOSE_MESSAGES)),--lose-messages)

bench: $(VENV)/ready cases ## measure against Node, Python and a no-op; writes docs/performance.md
	bench/peers/set_up
	$(CARGO_LAMBDA) build --locked --release $(PACKAGES)
	$(BENCH) $(CARGO_LAMBDA) build --locked --release --manifest-path bench/Cargo.toml \
	  --package floor --lambda-dir target/lambda
	$(BENCH) cargo run --locked --profile quick --manifest-path bench/Cargo.toml -- --out docs/performance.md

chaos: $(VENV)/ready local ## run against an AWS that fails in every way (15 minutes); writes docs/chaos.md
	$(LOCAL) exec -- cargo run --locked --package ringback-tests --bin chaos -- \
	  --callbacks 1000 --out docs/chaos.md

fuzz: .local/fuzz/bin/cargo-fuzz ## fuzz every reader, RUNS=10000000 inputs each (nightly compiler)
	cargo run $(QUIETLY) --locked --package ringback-cases --bin corpus -- unpack tests/fuzz/target/corpus
	set -e; for target in query tencent_body gateway_event spool_message registration reading; do \
	  length=512; case $$target in spool_message | reading) length=2048; esac; \
	  PATH="$(CURDIR)/.local/fuzz/bin:$$PATH" cargo +nightly fuzz run --fuzz-dir tests/fuzz --sanitizer none \
	    --strip-dead-code --no-trace-compares $$target tests/fuzz/target/corpus/$$target -- \
	    -runs=$(RUNS) -max_len=$$length -dict=tests/fuzz/dictionary.txt -use_counters=0 -entropic=0 \
	    -reduce_inputs=0 -timeout=10 -print_final_stats=1; \
	done

fmt: $(CHECKS)/python-ready ## format the code
	cargo fmt --all
	$(CHECKS)/bin/ruff format $(PYTHON)

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

$(SCHEMATHESIS)/ready: tests/requirements.txt
	python3 -m venv --clear $(SCHEMATHESIS)
	$(SCHEMATHESIS)/bin/pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

$(BROWSER)/ready: tests/browser/requirements.txt
	python3 -m venv --clear $(BROWSER)
	$(BROWSER)/bin/pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

.local/dynamodb-local/ready: Makefile
	@java -version 2> /dev/null && npm --version > /dev/null || \
	  { echo 'STORE=dynamodb-local needs Java 17 and npm' >&2; exit 1; }
	mkdir -p $(@D)
	cd $(@D) && npm pack --silent $(DYNAMODB_LOCAL)
	echo "$(DYNAMODB_LOCAL_SHA256)  $(@D)/$(subst @,-,$(DYNAMODB_LOCAL)).tgz" | sha256sum --check --quiet
	tar -xzf $(@D)/$(subst @,-,$(DYNAMODB_LOCAL)).tgz -C $(@D)
	@touch $@

.local/fuzz/bin/cargo-fuzz: Makefile
	cargo install --quiet --locked --root .local/fuzz cargo-fuzz@0.13.2
	@touch $@
