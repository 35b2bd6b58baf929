# Two commands for users: `make run` and `make test`. They need Python 3.11 or newer, make and a
# package index; everything else is installed into .tools and .venv, from the lock file.

PYTHON ?= python3
# How many processes run the tests.
WORKERS ?= 2
PYTEST_ARGS ?=
# What `make check` runs: all but the tests that start whole systems or foreign clients.
QUICK := --ignore=tests/clients --ignore=tests/browser --ignore-glob='tests/test_real_*' --ignore-glob='tests/routing/test_chat_*' \
	--ignore-glob='tests/routing/test_messages*' --ignore-glob='tests/routing/test_responses*'

UV_VERSION := 0.13.9
UV := .tools/bin/uv
UV_READY := .tools/uv-$(UV_VERSION)
BIN := .venv/bin
# Checks read the settings: they must find neither the user's database nor their var/.
APART := env -u DATABASE_URL -u REDIS_URL ASSAY_HOME=.venv/check-home

# The tests, with words for the environment before and for pytest behind. In CI, where two shared cores
# do all at once, what failed is run once more, alone: a fault fails again, and what passes is told.
define pytest
$(1) $(BIN)/pytest -n $(WORKERS) $(2) || { [ "$$CI" = true ] \
	&& echo "== FAILED ABOVE, once more and alone: mend what passes only now, it is flaky" \
	&& $(1) $(BIN)/pytest -n 0 $(2) --last-failed --last-failed-no-failures none; }
endef

export UV_PYTHON_DOWNLOADS := never
export UV_PYTHON := $(PYTHON)

.PHONY: run test check clients-table openapi bench bench-curation bench-scores bench-pages sync clean
.DEFAULT_GOAL := run

# --inexact leaves the packages of `make test` where they are.
run: $(UV_READY)
	@$(UV) sync --frozen --no-dev --inexact
	@exec $(BIN)/python manage.py up

# On SQLite always; then on PostgreSQL and Redis where the environment names them.
test: sync
	@echo "== The suite on SQLite"
	@$(call pytest,env -u TEST_DATABASE_URL -u TEST_REDIS_URL,--dist loadgroup $(PYTEST_ARGS))
	@if [ -n "$$TEST_DATABASE_URL$$TEST_REDIS_URL" ]; then \
		echo "== The suite again, on the servers that TEST_DATABASE_URL and TEST_REDIS_URL name"; \
		$(call pytest,,--dist loadgroup $(PYTEST_ARGS)); \
	else \
		echo "NOT TESTED on PostgreSQL and Redis: set TEST_DATABASE_URL and TEST_REDIS_URL."; \
	fi

check: sync
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(APART) $(BIN)/mypy .
	$(BIN)/lint-imports
	$(APART) $(BIN)/python manage.py makemigrations --check --dry-run
	$(APART) $(BIN)/python manage.py check
	@$(call pytest,env -u TEST_DATABASE_URL -u TEST_REDIS_URL,$(QUICK))

# Runs the clients of tests/clients and writes docs/clients.md from what they did.
clients-table: sync
	@rm -rf tests/clients/.environments/seen
	env CLIENTS_TABLE=write $(BIN)/pytest -n $(WORKERS) tests/clients/test_clients.py
	@$(BIN)/python -m tests.clients.table

# Writes docs/openapi.json, which is served, from the code that it describes.
openapi: sync
	@$(APART) $(BIN)/python manage.py openapi

bench: sync
	$(BIN)/python -m bench

# On SQLite always; then on PostgreSQL where the environment names one.
bench-scores: sync
	@env -u DATABASE_URL $(BIN)/python -m bench.counters
	@if [ -n "$$TEST_DATABASE_URL" ]; then \
		env DATABASE_URL="$$TEST_DATABASE_URL" $(BIN)/python -m bench.counters; fi

# On the PostgreSQL server that TEST_DATABASE_URL names, in a database of its own.
bench-pages: sync
	@env DATABASE_URL="$$TEST_DATABASE_URL" $(BIN)/python -m bench.pages

# Other seeds, or some worlds only: make bench-curation CURATION_ARGS="--fresh --only S01,T02"
CURATION_ARGS ?=
bench-curation: sync
	$(BIN)/python -m bench.curation $(CURATION_ARGS)

sync: $(UV_READY)
	@$(UV) sync --frozen

$(UV_READY):
	@command -v "$(PYTHON)" >/dev/null || { \
		echo "There is no $(PYTHON). Install Python 3.11 or newer, or name one:" \
			"make PYTHON=/path/to/python"; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "$(PYTHON) is older than Python 3.11. Install a newer one, or name one:" \
			"make PYTHON=/path/to/python"; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make environments. On Debian and Ubuntu:" \
			"apt-get install python3-venv"; exit 1; }
	@rm -rf .tools
	@"$(PYTHON)" -m venv .tools
	@.tools/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION) || { \
		rm -rf .tools; echo "uv could not be installed. Is a package index reachable?"; exit 1; }
	@touch $@

clean:
	rm -rf .tools .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
