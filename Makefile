# Everything that a person runs. `make` alone lists it.

FUNCTIONS := notify call-event group-call-event agent-call-status tencent-call-event
PACKAGES := $(addprefix --package ,$(FUNCTIONS))
VENV := .local/venv
CHECKS := .local/checks
# cargo-lambda finds its linker through the Python that it was installed with, so that one comes first.
CARGO_LAMBDA := PATH="$(CURDIR)/$(VENV)/bin:$$PATH" cargo lambda
# `make build PROFILE=release` is what a deployment runs; `quick` takes minutes less.
PROFILE ?= quick

.DEFAULT_GOAL := help
.PHONY: help run test build check fmt clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/ready ## start the local stack, play every sample event, then show each callback until Ctrl-C
	@exec $(VENV)/bin/python -m local run

test: $(VENV)/ready ## run all tests: units, handlers, and the built functions against emulated AWS
	cargo test --locked --workspace --exclude ringback-tests
	$(VENV)/bin/python -m unittest discover --start-directory local --top-level-directory .
	$(VENV)/bin/python -m local run --once
	$(VENV)/bin/python -m local exec -- cargo test --locked --package ringback-tests

build: $(VENV)/ready ## build target/lambda/<function>/bootstrap (PROFILE=release for a deployment)
	$(CARGO_LAMBDA) build --locked --profile $(PROFILE) $(PACKAGES)

check: $(CHECKS)/ready ## formatting, lints, the template, unused dependencies
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=us-east-1 $(CHECKS)/bin/sam validate --lint --template template.yaml
	$(CHECKS)/bin/cargo-machete

fmt: ## format the code
	cargo fmt --all

clean: ## remove everything that was made here
	rm -rf target .local .aws-sam

$(VENV)/ready: local/requirements.txt
	python3 -m venv --clear $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

$(CHECKS)/ready: .ci/requirements.txt
	python3 -m venv --clear $(CHECKS)
	$(CHECKS)/bin/pip install --quiet --disable-pip-version-check --requirement $<
	cargo install --quiet --locked --root $(CHECKS) cargo-machete@0.9.2
	@touch $@
