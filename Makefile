PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
COMPILED := .venv-compiled
# Two processes share the tests, each file whole, so that what a file sets up is set up once. This stands here and not in
# pytest's own options because starting processes makes a run of one file slower and hides what it prints. Their order is that
# of tests/conftest.py, slow ones first, and not the one with the most tests first.
PYTEST := -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder
# The tests that meet compiled modules; tools for policies, documents and the rules of the house would say the same twice.
COMPILED_TESTS := $(addprefix tests/,core dialects e2e engines/openai identity plugins/anonymize plugins/limits third_party) \
	$(addprefix tests/plugins/audit/,log test_record.py test_writer.py)
# Reads the ledger's format beside us in tests. It says that it wants Python 3.12, and runs and passes on 3.11 as well; its own
# dependency is one of ours.
TILE_READER := --no-deps --ignore-requires-python aics-tlog==0.2.1
SOURCES := $(shell find gateway plugins engines policies -name '*.py')

# One thread is enough for numpy in each process that tests: with more, they would wait for each other.
test test-long test-compiled: export OPENBLAS_NUM_THREADS := 1

# Creates .venv with everything that running, testing and measuring need; rebuilt when pyproject.toml changes.
$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/pip install --quiet --editable '.[cpu]' --group dev
	$(BIN)/pip install --quiet $(TILE_READER)
	touch $@

# Serves the starter bundle on 127.0.0.1:8080 and prints the keys it made and a curl line to paste.
run: $(VENV)/.installed
	$(BIN)/yumen serve

# Runs lint, types and every test, as continuous integration does; what checks sources does so side by side.
test: $(VENV)/.installed
	$(MAKE) --no-print-directory --jobs=2 --output-sync=target lint types
	$(BIN)/python $(PYTEST)

# Repeats the tests that are marked long far more often than `make test` does: a few minutes, before a release for example.
test-long: $(VENV)/.installed
	YUMEN_TEST_LONG=1 $(BIN)/python $(PYTEST) -m long

# Checks style and banned imports.
lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Checks types with both type checkers.
types: mypy pyright

# Checks types, strictly, of everything.
mypy: $(VENV)/.installed
	$(BIN)/mypy

# Checks types once more, of what is shipped, as editors do.
pyright: $(VENV)/.installed
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
	$(COMPILED)/bin/pip install --quiet $(TILE_READER)
	touch $@

# Runs tests on the compiled program, as continuous integration does after `make test`, but for the very long ones.
test-compiled: $(COMPILED)/.installed
	$(COMPILED)/bin/python $(PYTEST) -m 'not slow' $(COMPILED_TESTS)

# Trains the built-in FAQ model anew from its corpus and prints its accuracy on phrasings it has not seen.
train-faq: $(VENV)/.installed
	$(BIN)/python -m yumen_engines.faq.train

.PHONY: run test test-long lint types mypy pyright bench compiled test-compiled train-faq
