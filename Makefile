# Everyday commands; `make help` lists them.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ROWS ?= 1000000
SETUP := $(VENV)/.setup

.PHONY: help setup run test test-fast lint format types bench lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

# Installs again only when what it depends on has changed.
$(SETUP): requirements/dev.txt pyproject.toml hatch_build.py $(wildcard protos/ingestor/v1/*.proto)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

setup: $(SETUP) ## install everything into .venv

run: setup ## start the suite, ingest the sample, stay up (ONCE=1: stop after the summary)
	@$(BIN)/python examples/first_run.py $(if $(ONCE),--once)

test: setup lint types ## every test
	@$(BIN)/python -m pytest

test-fast: setup ## the tests that need no running suite
	@$(BIN)/python -m pytest tests/unit tests/architecture

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

bench: setup ## the whole suite against bare COPY (ROWS=1000000)
	@$(BIN)/python -m bench.suite --rows $(ROWS)

lock: ## refresh the hashed lock from pyproject.toml
	@$(PYTHON) -m venv .venv-lock && .venv-lock/bin/pip install --quiet uv
	@.venv-lock/bin/uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-header \
	  --no-emit-package data-ingestor --python-version 3.11 --extra dev pyproject.toml -o requirements/dev.txt
	@rm -rf .venv-lock

clean: ## remove what setup, run and bench made
	rm -rf $(VENV) .ingestor .bench ingestor/v1 build dist
