PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
COMPILED := .venv-compiled
KSERVE := .venv-kserve
# Two processes share the tests, each file whole, so that what a file sets up is set up once. This stands here and not in
# pytest's own options because starting processes makes a run of one file slower and hides what it prints. Their order is that
# of tests/conftest.py, slow ones first, and not the one with the most tests first.
PYTEST := -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder
# One of ten thousand tests may meet a machine that stands still for a while. In continuous integration, what failed is run once
# more, alone, and fails if it fails again. Both runs name it, since a test that fails now and then is a fault to be found too.
# Only exit status 1 says that all tests were run.
AGAIN := -m pytest -v --last-failed --last-failed-no-failures=none
ONCE_MORE = || { test "$$?" = 1 && test -n "$$CI" && $(1) $(AGAIN); }
# The tests that meet compiled modules, of which pyproject.toml has the list. Batching, pools, reloads, the cache, tools for
# policies, documents and the rules of the house would say the same twice.
COMPILED_TESTS := $(wildcard tests/core/test_*.py) $(addprefix tests/,core/openinference dialects engines/openai identity) \
	$(addprefix tests/e2e/,openinference test_canary.py test_chat.py test_crash.py test_hostile.py test_words_everywhere.py) \
	$(addprefix tests/plugins/,anonymize limits audit/log audit/test_record.py audit/test_writer.py) tests/third_party
# Reads the ledger's format beside us in tests. It says that it wants Python 3.12, and runs and passes on 3.11 as well; its own
# dependency is one of ours.
TILE_READER := --no-deps --ignore-requires-python aics-tlog==0.2.1
SOURCES := $(shell find gateway plugins engines policies -name '*.py')

# One thread is enough for numpy in each process that tests: with more, they would wait for each other.
test test-long test-compiled: export OPENBLAS_NUM_THREADS := 1
# Tests start hundreds of processes. Each would compile all of its modules anew where the environment forbids to keep them.
export PYTHONDONTWRITEBYTECODE :=
# Most modules of what is installed are never imported; those that are get compiled, and kept, by whoever imports them first.
INSTALL := pip install --quiet --no-compile

# Creates .venv with everything that running, testing and measuring need; rebuilt when pyproject.toml changes.
$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/$(INSTALL) --upgrade 'pip>=25.1'
	$(BIN)/$(INSTALL) --editable '.[cpu]' --group dev
	$(BIN)/$(INSTALL) $(TILE_READER)
	touch $@

# Serves the starter bundle on 127.0.0.1:8080 and prints the keys it made and a curl line to paste.
run: $(VENV)/.installed
	$(BIN)/yumen serve

# Runs lint, types and every test, as continuous integration does; what checks sources does so side by side.
test: $(VENV)/.installed
	$(MAKE) --no-print-directory --jobs=2 --output-sync=target lint types
	$(BIN)/python $(PYTEST) $(call ONCE_MORE,$(BIN)/python)

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
bench: compiled
	$(BIN)/python -m tests.bench

# Makes the faster installation.
compiled: $(VENV)/.installed $(COMPILED)/.installed

# Creates .venv-compiled: the same program with its hot modules compiled to machine code; needs a C compiler. What the program
# depends on is that of .venv, which may be made meanwhile.
$(COMPILED)/.installed: pyproject.toml hatch_build.py $(SOURCES)
	$(PYTHON) -m venv --clear $(COMPILED)
	HATCH_BUILD_HOOKS_ENABLE=1 $(COMPILED)/bin/$(INSTALL) --no-deps .
	cd $(COMPILED)/lib/python3* && echo "../../../../$(VENV)/lib/$${PWD##*/}/site-packages" > site-packages/dependencies.pth
	touch $@

# Runs tests on the compiled program, as continuous integration does after `make test`, but for the very long ones.
test-compiled: $(VENV)/.installed $(COMPILED)/.installed
	$(COMPILED)/bin/python $(PYTEST) -m 'not slow' $(COMPILED_TESTS) $(call ONCE_MORE,$(COMPILED)/bin/python)

# Creates .venv-kserve, of 450 MB: KServe's own client pins what others need otherwise.
$(KSERVE)/.installed:
	$(PYTHON) -m venv $(KSERVE)
	$(KSERVE)/bin/$(INSTALL) kserve==0.21.0
	touch $@

# Asks a gateway with KServe's own client, a test that `make test` skips: two minutes, most of them for installing.
test-kserve: $(VENV)/.installed $(KSERVE)/.installed
	YUMEN_KSERVE_PYTHON=$(KSERVE)/bin/python $(BIN)/python -m pytest -q tests/e2e/openinference/test_kserve_client.py

# Trains the built-in FAQ model anew from its corpus and prints its accuracy on phrasings it has not seen.
train-faq: $(VENV)/.installed
	$(BIN)/python -m yumen_engines.faq.train

.PHONY: run test test-long lint types mypy pyright bench compiled test-compiled test-kserve train-faq
