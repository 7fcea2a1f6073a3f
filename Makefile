# Everyday commands; `make help` lists them.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ROWS ?= 1000000
GOOD_ROWS ?= 10000000
FILES ?= 50
AT_ONCE ?= 100
RUNS ?= 3
SECONDS ?= 600
MINUTES ?= 20
TARGET ?= all
SCHEDULES ?= 100000
MUTANT_SCHEDULES ?= 5000
SETUP := $(VENV)/.setup
STARTED := $(shell date +%s)
# Several workers at once, each with servers of its own; the ten slowest tests are listed.
WORKERS ?= 2
# Tests start programs beside channels of their own, and what gRPC does after a fork may abort those.
PYTEST := GRPC_ENABLE_FORK_SUPPORT=false $(BIN)/python -m pytest -n $(WORKERS) --durations=10

PAGE_SOURCES := $(shell find frontend \( -name node_modules -o -name dist -o -name gen \) -prune -o -type f -print 2>/dev/null)
PAGE := $(if $(wildcard frontend/package.json),frontend/dist/index.html)
NODE_NEEDED := the page needs Node.js 20.19 or later, and npm (https://nodejs.org)
# Each has a lock of its own, for its image.
LOCKED_EXTRAS := upload orchestrator processor status web envoy admin emulator

HAS_NODE := node -e 'const [a, b] = process.versions.node.split("."); process.exit(+a > 20 || (+a == 20 && +b >= 19) ? 0 : 1)' 2>/dev/null && npm --version >/dev/null 2>&1

.PHONY: help setup run test test-fast fuzz chaos simulate chaos-mutants test-page images sbom deploy-test screenshots lint format types docs dashboards bench bench-reads bench-shapes bench-small bench-peers lock lock-images clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

# Installs again only when what it depends on has changed.
$(SETUP): requirements/dev.txt pyproject.toml hatch_build.py $(shell find protos -name "*.proto")
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# The page is built again only when its sources have changed. Without Node.js the suite works without it.
frontend/node_modules/.installed: frontend/package.json frontend/package-lock.json
	@if $(HAS_NODE); then cd frontend && npm ci --no-audit --no-fund --loglevel=error && touch node_modules/.installed; fi

frontend/dist/index.html: frontend/node_modules/.installed $(PAGE_SOURCES) $(wildcard protos/ingestor/v1/*.proto) | $(SETUP)
	@if $(HAS_NODE); then (cd frontend && npm run --silent build) && $(BIN)/python -m ingestor.web.page frontend/dist; \
	else echo "not building the page: $(NODE_NEEDED)" >&2; fi

# Each process of a suite would compile what it imports where Python does not keep that (PYTHONDONTWRITEBYTECODE).
setup: $(SETUP) $(PAGE) ## install everything into .venv, build the page
	@$(BIN)/python -m compileall -q ingestor services

run: setup ## start the suite, ingest the sample, stay up (ONCE=1: stop after the summary)
	@$(BIN)/python examples/first_run.py $(if $(ONCE),--once)

test: setup ## every check and every test (WORKERS=2)
	@$(MAKE) --no-print-directory -j$(WORKERS) --output-sync lint types test-page
	@$(PYTEST) --ignore tests/deploy
	@echo "all of it took $$(($$(date +%s) - $(STARTED))) s"

# Base images that cannot be pulled are made. ENGINE, TAG, BUILD_OPTIONS: deploy/images/build.sh.
images: ## the images of the suite, with their sizes (TAG=dev)
	@deploy/images/base.sh build
	@deploy/images/build.sh

sbom: ## what is in each image, as CycloneDX, in build/sbom (TAG=dev)
	@deploy/images/sbom.sh

# Needs minutes, and for the images a Docker engine; without one those tests are skipped, and the reason is printed.
deploy-test: setup ## the images, compose, podman, upgrades and alerts for real
	@if docker info >/dev/null 2>&1; then \
	  deploy/images/base.sh && deploy/images/build.sh; \
	else echo "the images are not built: $$(docker info 2>&1 | tail -1)"; fi
	@$(BIN)/python -m pytest tests/deploy -rs --durations=10

test-fast: setup ## the tests that need no running suite
	@$(PYTEST) tests/unit tests/architecture

fuzz: setup ## look for inputs that parsers do not take (SECONDS=600 TARGET=all)
	@$(BIN)/python -m tests.fuzz $(filter-out all,$(TARGET)) --seconds $(SECONDS) --corpus build/fuzz

# Two suites one after the other: one behind links that can be broken, one with a database and a queue of its own.
chaos: setup ## break a running suite while files are loaded; is anything lost or doubled? (SEED= ROWS=1000000 MINUTES=20 FAULTS=)
	@GRPC_ENABLE_FORK_SUPPORT=false $(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED)) --rows $(ROWS) --minutes $(MINUTES) --faults "$(FAULTS)"

# The seed of a schedule is printed when it fails.
simulate: setup ## schedules of crashes and lost messages under a virtual clock (SEED=1 SCHEDULES=100000)
	@$(BIN)/python -m tests.simulation --seed $(or $(SEED),1) --schedules $(SCHEDULES)

chaos-mutants: setup ## does the simulation notice each guard that is switched off? (MUTANT_SCHEDULES=5000 each, at most)
	@INGESTOR_TEST_MUTANT_SCHEDULES=$(MUTANT_SCHEDULES) $(PYTEST) tests/simulation/test_mutants.py

test-page: setup ## the page's types, lint and unit tests
ifneq ($(PAGE),)
	@$(HAS_NODE) || { echo "cannot test the page: $(NODE_NEEDED)" >&2; exit 1; }
	@cd frontend && npm run --silent check && npm test --silent
endif

screenshots: setup ## pictures of each screen of the page
	@$(HAS_NODE) || { echo "cannot take pictures of the page: $(NODE_NEEDED)" >&2; exit 1; }
	@cd frontend && npm run --silent screenshots

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/buf lint

types: setup
	@$(BIN)/mypy

format: setup ## format the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@$(BIN)/buf format -w

# A warning, a broken link or an anchor that does not exist ends the build, as does a page that loads something
# from elsewhere.
docs: setup ## the documentation as a site, in build/docs
	@rm -rf build/docs
	@$(BIN)/python -m sphinx -q -W --keep-going -j auto docs build/docs
	@! grep -rnoE '<(script|link|img)[^>]*(src|href)="(https?:)?//[^"]*"' build/docs --include=*.html
	@echo "the documentation: file://$(CURDIR)/build/docs/index.html"

dashboards: setup ## write the dashboards of Grafana
	@$(BIN)/python -m deploy.observability.dashboards deploy/observability/grafana/dashboards

bench: setup ## the whole suite against bare COPY (ROWS=1000000 RUNS=3)
	@$(BIN)/python -m bench.suite --rows $(ROWS) --runs $(RUNS)

bench-shapes: setup ## files of other shapes against COPY: wide, bad rows, gzip, Parquet ... (ROWS=1000000 RUNS=3)
	@$(BIN)/python -m bench.ways.shapes --rows $(ROWS) --runs $(RUNS)

bench-peers: setup ## the same file by dlt, Sling, ingestr, pgloader, and a message for each row (ROWS=1000000)
	@$(BIN)/python -m bench.peers --rows $(ROWS)

# The ledger of good rows is written at about a million rows in a second.
bench-reads: setup ## single rows, pages of rows and reports (ROWS=1000000 GOOD_ROWS=10000000)
	@$(BIN)/python -m bench.reads --rows $(ROWS) --good-rows $(GOOD_ROWS) --runs $(RUNS)

bench-small: setup ## files of 1,000 rows, one after the other and many at once (FILES=50 AT_ONCE=100)
	@$(BIN)/python -m bench.small_files --files $(FILES) --at-once $(AT_ONCE)

lock: ## refresh the hashed locks from pyproject.toml
	@$(PYTHON) -m venv .venv-lock && .venv-lock/bin/pip install --quiet uv
	@.venv-lock/bin/uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-header \
	  --no-emit-package data-ingestor --python-version 3.11 --extra dev pyproject.toml -o requirements/dev.txt
	@$(MAKE) --no-print-directory lock-images UV=.venv-lock/bin/uv
	@rm -rf .venv-lock

# What is in an image has the versions with which everything is tested. `build` is what makes the wheel.
lock-images: UV ?= $(BIN)/uv
lock-images:
	@for extra in $(LOCKED_EXTRAS); do \
	  $(UV) pip compile --quiet --generate-hashes --no-emit-index-url --no-header --no-emit-package data-ingestor \
	    --python-version 3.11 --constraint requirements/dev.txt --extra $$extra pyproject.toml \
	    -o requirements/$$extra.txt || exit; \
	done
	@$(PYTHON) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' \
	| $(UV) pip compile --quiet --generate-hashes --no-emit-index-url --no-header --python-version 3.11 \
	  --constraint requirements/dev.txt - -o requirements/build.txt

clean: ## remove what setup, run and bench made
	rm -rf $(VENV) .ingestor .bench ingestor/v1 ingestor/internal build dist docs/reference/grpc frontend/dist frontend/node_modules frontend/src/gen
