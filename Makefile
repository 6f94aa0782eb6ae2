PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
COMPILED := .venv-compiled
SOURCES := $(shell find gateway plugins engines policies -name '*.py')

# Creates .venv with everything that running, testing and measuring need; rebuilt when pyproject.toml changes.
$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/pip install --quiet --editable '.[cpu]' --group dev
	touch $@

# Serves the starter bundle on 127.0.0.1:8080 and prints the keys it made and a curl line to paste.
run: $(VENV)/.installed
	$(BIN)/yumen serve

# Runs lint, types and every test, as continuous integration does.
test: lint types
	$(BIN)/python -m pytest -q

# Checks style and banned imports.
lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Checks types with both type checkers.
types: $(VENV)/.installed
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python

# Measures throughput, latency, detection and streaming side by side in one run; needs nginx and wrk.
bench: $(VENV)/.installed $(COMPILED)/.installed
	$(BIN)/python -m tests.bench

# Makes the faster installation.
compiled: $(COMPILED)/.installed

# Creates .venv-compiled: the same program with its hot modules compiled to machine code; needs a C compiler.
$(COMPILED)/.installed: pyproject.toml hatch_build.py $(SOURCES)
	$(PYTHON) -m venv $(COMPILED)
	$(COMPILED)/bin/pip install --quiet --upgrade 'pip>=25.1'
	$(COMPILED)/bin/pip uninstall --quiet --yes yumen
	HATCH_BUILD_HOOKS_ENABLE=1 $(COMPILED)/bin/pip install --quiet '.[cpu]' --group dev
	touch $@

# Runs the tests on the compiled program, as continuous integration does after `make test`, but for the very long ones.
test-compiled: $(COMPILED)/.installed
	$(COMPILED)/bin/python -m pytest -q -m 'not slow'

# Trains the built-in FAQ model anew from its corpus and prints its accuracy on phrasings it has not seen.
train-faq: $(VENV)/.installed
	$(BIN)/python -m yumen_engines.faq.train

.PHONY: run test lint types bench compiled test-compiled train-faq
