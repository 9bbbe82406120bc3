# Needs Python 3.11 or newer and make. Everything is installed into .venv, from the lock file.

PYTHON ?= python3
CONFIG ?= examples/quickstart.yaml
SECONDS ?= 60
OPERATIONS ?= 100000

VENV  := $(CURDIR)/.venv
BIN   := $(VENV)/bin
READY := $(VENV)/.ready

PROJECTS := $(wildcard pyproject.toml */pyproject.toml plugins/*/pyproject.toml examples/plugins/*/pyproject.toml)

.DEFAULT_GOAL := help
.PHONY: help setup run test lint types contracts scenarios scenarios-tools conformance bench bench-context soak docs-check wheels lock clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 18

setup: $(READY) ## install everything into .venv

run: $(READY) ## serve examples/quickstart.yaml (CONFIG=... for another)
	@PATH="$(BIN):$$PATH" $(BIN)/only1mcp start -c $(CONFIG)

test: $(READY) ## the unit and integration tests
	$(BIN)/python -m pytest tests --ignore=tests/scenarios --ignore=tests/conformance --ignore=tests/bench --ignore=tests/soak \
		-n 2 --dist loadfile

lint: $(READY) ## style, formatting, and whether uv.lock is up to date
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/uv lock --check --default-index https://pypi.org/simple

types: $(READY) ## mypy, strict
	$(BIN)/mypy

contracts: $(READY) ## who may import whom
	$(BIN)/lint-imports

scenarios: $(READY) scenarios-tools ## real MCP servers and clients, end to end
	$(BIN)/python -m pytest tests/scenarios -n 2 --dist loadfile

scenarios-tools: $(READY) ## the servers and clients that the scenarios use, into .cache
	@tests/scenarios/setup.sh $(BIN)

conformance: $(READY) ## the official suite, directly and through the gateway; writes docs/conformance.md
	@tests/conformance/setup.sh $(BIN)
	$(BIN)/python -m tests.conformance $(LEGS:%=--leg %) $(if $(SCENARIO),--scenario $(SCENARIO))

bench: $(READY) .cache/bench/stub .cache/bench/pace ## what the gateway adds to a call; MEMORY=1: what it keeps in memory; PEERS=1: other proxies, too
	@tests/scenarios/setup.sh $(BIN) wrk nginx
	$(if $(PEERS),@tests/bench/peers.sh $(BIN))
	$(BIN)/python -m tests.bench$(if $(MEMORY),.memory) $(if $(PEERS),--peers)

bench-context: $(READY) scenarios-tools ## tokens of definitions in each mode, how well tools are found, what budgets for results spare; DATA=folder
	$(BIN)/python -m tests.bench_context.definitions $(if $(DATA),--data $(DATA)) $(if $(TOKENIZER),--tokenizer $(TOKENIZER))
	$(BIN)/python -m tests.bench_context.retrieval $(if $(DATA),--data $(DATA))
	$(BIN)/python -m tests.bench_context.record
	$(BIN)/python -m tests.bench_context.results --kinds

.cache/bench/%: tests/bench/%.c
	@mkdir -p $(@D)
	$(CC) -O2 -Wall -Wextra -o $@ $<

soak: $(READY) ## traffic for SECONDS seconds, OPERATIONS of two clients at once; looks for what grows or leaks
	$(BIN)/python -m tests.soak --seconds $(SECONDS)
	OPERATIONS=$(OPERATIONS) $(BIN)/python -m pytest -q -s tests/property/test_interleaving.py

docs-check: $(READY) ## whether generated documentation matches the code
	@if [ -f docs/generate.py ]; then $(BIN)/python docs/generate.py --check; else echo "no generated documentation yet"; fi

wheels: $(READY) ## every distribution, into dist
	rm -rf dist
	$(BIN)/uv build --quiet --all-packages --wheel --out-dir dist
	@ls dist

lock: $(READY) ## bring uv.lock up to date with the pyproject files
	$(BIN)/uv lock --default-index https://pypi.org/simple

clean: ## remove all that is installed or built
	rm -rf .venv .cache dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): uv.lock $(PROJECTS)
	@test -x $(BIN)/python || $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Only1MCP needs Python 3.11 or newer; say which with make PYTHON=...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	VIRTUAL_ENV=$(VENV) $(BIN)/uv sync --quiet --active --all-packages --frozen
	@touch $@
