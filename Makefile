# Needs only make and a Python 3.10 or later with its `venv` module. Another interpreter: make test PYTHON=python3.13
# More interpreters for test-all than those on the path or in pyenv: make test-all PYTHONS="..."
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# Tests find the real servers, `temporal` and `temporal-test-server`, on the path.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help demo test test-all lint bench docs clean

help:
	@echo "make demo      run the example workflows' tests and show the time that they skipped"
	@echo "make test      the tests but for the slow ones, on up to four cores, with branch coverage"
	@echo "make test-all  all tests, with the oldest and the newest temporalio and Python supported"
	@echo "make lint      ruff and mypy --strict"
	@echo "make bench     compare with the Java test server; ARGS='--parts sequence,crowds ...'"
	@echo "make docs      regenerate the pages under docs/ that are made from code"

demo: $(READY)
	@$(BIN)/python -m examples

test: $(READY)
	@$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n auto --maxprocesses 4 -m "not slow" $(ARGS)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

test-all: $(READY)
	@PYTHONS="$(PYTHONS)" $(BIN)/python -m tests.matrix $(ARGS)

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: $(READY)
	@$(BIN)/python -m tests.bench $(ARGS)

docs: $(READY)
	$(BIN)/python -m docs.generate_support
	$(BIN)/python -m docs.generate_nondeterminism
	$(BIN)/python -m docs.generate_planted_bugs
	$(BIN)/python -m docs.generate_machines

clean:
	rm -rf $(VENV) .venv-matrix build dist .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .hypothesis

# The environment is made once and brought up to date when the dependencies change.
$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "timeskip needs Python 3.10 or later, $(PYTHON) is " + sys.version.split()[0] + "; try: make PYTHON=python3.x")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing timeskip and its development tools into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@
