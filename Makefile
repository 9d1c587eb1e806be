# Two commands do all the set-up: `make run` and `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
RUN_VENV := .venv-run
RUN_STAMP := $(RUN_VENV)/.installed
NODE_STAMP := tests/node/node_modules/.installed

.PHONY: run test check bench bench-quick fuzz format clean help

help:
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

run: $(RUN_STAMP) ## Install into a private environment and start the demo.
	$(RUN_VENV)/bin/everywire demo

test: $(STAMP) $(NODE_STAMP) programs ## Install all that the tests need and run them.
	PATH="$$PATH:/usr/sbin" $(BIN)/python -m pytest

check: $(STAMP) ## Formatting, lint, types, and the direction of imports.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports --no-logo

bench: $(STAMP) ## Measure against a floor and peers, alone on the machine; writes benchmarks/RESULTS.md.
	$(BIN)/python benchmarks/run.py

bench-quick: $(STAMP) ## The same in under two minutes; writes nothing that is kept.
	$(BIN)/python benchmarks/run.py --quick

fuzz: $(STAMP) ## Every parser with new inputs, for SECONDS=60.
	$(BIN)/python tests/fuzz/run.py --seconds $(or $(SECONDS),60)

format: $(STAMP) ## Format the sources.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## Remove what the other targets made.
	rm -rf $(VENV) $(RUN_VENV) tests/node/node_modules .hypothesis .ruff_cache dist

# What the demo needs is what a user gets: the package and its base dependencies.
$(RUN_STAMP): pyproject.toml
	$(PYTHON) -m venv $(RUN_VENV)
	$(RUN_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

# The tests run on locked versions.
$(STAMP): pyproject.toml requirements/test.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements/test.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

$(NODE_STAMP): tests/node/package.json tests/node/package-lock.json
	cd tests/node && npm ci --silent --no-audit --no-fund
	touch $@

.PHONY: programs
# A browser and a proxy are needed, not nice to have: without them the tests fail. As root on Debian
# they are installed.
PROGRAMS := chromium nginx
programs:
	@for program in $(PROGRAMS); do \
	  PATH="$$PATH:/usr/sbin" command -v $$program >/dev/null && continue; \
	  { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq \
	    && apt-get install -y -qq --no-install-recommends $$program >/dev/null; } \
	  || { echo "$$program is needed for the tests: install it (Debian: apt-get install $$program)" >&2; exit 1; }; \
	done
