# Every task of the project. `make` alone lists them. Each target does its own set-up.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
FUZZ_REQUESTS ?= 100000

.PHONY: help setup test lint types format demo rehearse bench tools fuzz lock clean

help: ## list the tasks
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## make .venv from the lock; nothing to do while the lock is unchanged

$(READY): requirements/dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "gatewright needs Python 3.11 or newer; name one with: make PYTHON=python3.12 setup" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null \
	  || { echo "the venv module is missing: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

test: setup ## run all tests; as root, what they need from Debian is installed first
	@scripts/tools --try test
	$(BIN)/pytest -n auto --dist worksteal

lint: setup ## ruff and the import contracts
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports --no-cache

types: setup ## mypy --strict
	$(BIN)/mypy

format: setup ## rewrite the sources in the house format
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

demo: setup ## run an example and prove it with requests
	$(BIN)/python scripts/demo

rehearse: setup ## build the worlds of the five examples in network namespaces, and hold their models against them
	@scripts/tools --try test
	@failed=0; for example in examples/*/; do \
	  echo "== $$example"; $(BIN)/gatewright rehearse "$$example" || failed=1; done; exit $$failed

bench: setup ## measure the speed table of benchmarks/README.md; a part of it: BENCH='change --hosts 1000'
	@scripts/tools --check bench || true
	$(BIN)/python -m benchmarks $(BENCH)

tools: ## install the servers and load generators that tests and benchmarks use from Debian (needs root)
	scripts/tools test bench

fuzz: setup ## the long random runs: FUZZ_REQUESTS requests against real Envoy
	GATEWRIGHT_FUZZ_REQUESTS=$(FUZZ_REQUESTS) HYPOTHESIS_PROFILE=fuzz $(BIN)/pytest -m fuzz

lock: setup ## choose the newest versions that fit, and lock them with hashes
	@compile() { $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header \
	    --no-emit-package gatewright "$$@" pyproject.toml; }; \
	compile --upgrade --extra run --extra dns --extra route53 --group dev --output-file requirements/dev.lock; \
	compile --extra run --extra dns --extra route53 --constraint requirements/dev.lock --output-file requirements/run.lock

clean: ## remove what the tasks made
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build dist
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
