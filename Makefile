# Everything a developer runs. `make` lists the targets; `make check` and `make test` are what CI runs.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := omnisql_server wire catalog connectors
CHECKED := $(PACKAGES) $(wildcard tests) $(wildcard benchmarks)
# An installation is up to date while these stay as they were.
LOCKS := pyproject.toml uv.lock
UV := UV_PROJECT_ENVIRONMENT=$(VENV) $(BIN)/uv
# For demo: a port, a data directory and the number of simulated issues.
PORT ?= 5433
DATA ?= data/demo
ISSUES ?= 5000
# Of fuzz: what each random test tries; a message stream has 30 messages.
EXAMPLES ?= 12500
# Of test; each has servers of its own.
PROCESSES ?= 2
# What fuzz runs: all that tries random things and tries more of them there, and the proofs of docs/security.
FUZZED := tests/fuzz $(addprefix tests/differential/test_,random_queries.py random_selects.py random_policies.py text_shapes.py) \
  $(addprefix tests/integration/policy/test_,engines_agree.py bypass.py) tests/integration/audit/test_secret_canary.py
# Modules of benchmarks/, one for each subject.
BENCHMARKS ?= rows_to_client api_latency first_row small_statement repeated relay copy_and_pages tenants idle_sessions api_calls oracle \
  planning freshness recorded_day decode_pages audit policy logins

.PHONY: help setup setup-dev demo test check bench fuzz fences lock sbom vulnerabilities

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-15s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup: $(VENV)/.stamp-run ## install what is needed to run

setup-dev: $(VENV)/.stamp-dev ## install what is needed to develop

demo: setup ## serve a demonstration (PORT=5433 DATA=data/demo ISSUES=5000)
	exec $(BIN)/omnisql demo --port $(PORT) --data $(DATA) --issues $(ISSUES)

test: setup-dev ## run all tests in two processes (ARGS="-k word" for some, PROCESSES=0 for one)
	$(BIN)/pytest --numprocesses $(PROCESSES) --dist loadfile $(ARGS) </dev/null

check: setup-dev ## run the linter, the formatter's check, the type checker and the import contracts
	$(BIN)/ruff check $(CHECKED)
	$(BIN)/ruff format --check $(CHECKED)
	$(BIN)/mypy $(PACKAGES) $(wildcard benchmarks)
	# Folder by folder, as pytest imports them: tests are no packages, so that names such as conftest recur.
	failed=0; for folder in $$(find tests -name '*.py' -exec dirname {} + | sort -u); do \
	  MYPYPATH=tests $(BIN)/mypy --no-error-summary "$$folder"/*.py || failed=1; done; exit $$failed
	$(BIN)/lint-imports

bench: setup-dev ## run the benchmarks, beside their peers (ARGS=--quick for a short run)
	$(UV) sync --frozen --inexact --group bench </dev/null
	for subject in $(BENCHMARKS); do $(BIN)/python -m benchmarks.$$subject $(ARGS) </dev/null; done

fuzz: setup-dev ## run the random tests with many more examples than make test (EXAMPLES=12500), in two processes
	started=; failed=0; for process in 1 2; do \
	  $(BIN)/pytest $(FUZZED) --hypothesis-profile=fuzz --fuzz-examples=$(EXAMPLES) --timeout=0 $(ARGS) </dev/null & \
	  started="$$started $$!"; done; for each in $$started; do wait $$each || failed=1; done; exit $$failed

fences: setup-dev ## take every fence out in a copy and want its tests to fail (ARGS="--jobs 2 network/" for some)
	$(BIN)/python tests/fences/run.py $(ARGS) </dev/null

sbom: $(BIN)/uv ## write dist/omnisql.cdx.json, the bill of materials (CycloneDX 1.5) of what is locked to run
	mkdir -p dist
	$(UV) export --quiet --frozen --no-default-groups --format cyclonedx1.5 --output-file dist/omnisql.cdx.json </dev/null

vulnerabilities: $(BIN)/uv ## ask osv.dev for known vulnerabilities of what is locked (needs the network)
	$(UV) audit --frozen </dev/null

lock: $(BIN)/uv ## choose dependencies anew and write uv.lock
	$(UV) lock </dev/null

$(BIN)/uv:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV) </dev/null \
	  || { echo "python3 cannot make a virtual environment: install python3-venv" \
	       "(Debian, Ubuntu: apt-get install python3-venv)" >&2; rm -rf $(VENV); exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.8' </dev/null

$(VENV)/.stamp-run: $(LOCKS) | $(BIN)/uv
	$(UV) sync --frozen --inexact --no-default-groups </dev/null
	@touch $@

$(VENV)/.stamp-dev: $(LOCKS) | $(BIN)/uv
	$(UV) sync --frozen --inexact </dev/null
	@touch $@ $(VENV)/.stamp-run
