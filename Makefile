# Roamdesk: the commands of the house. `make help` lists them.
# Needs Python 3.11 or newer (with venv) and make; everything else goes into .venv.

# Your own choice: make demo PYTHON=python3.12
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$name" -c 'import sys; raise SystemExit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$name" && exit; \
	done; echo python3)
BIN := .venv/bin
# One more than there are cores: journeys and tests of waiting leave a core idle now and then.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal
# What `check --deploy` looks at: production settings with throw-away values.
PRODUCTION := env -i PATH="$$PATH" HOME="$$HOME" ROAMDESK_ENV_FILE=/dev/null \
	SECRET_KEY=lint-only-$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(60))') \
	FIELD_ENCRYPTION_KEYS=lint-only-0123456789abcdef0123456789abcdef \
	ALLOWED_HOSTS=desk.roamdesk.example SITE_URL=https://desk.roamdesk.example \
	DATABASE_URL=postgres://roamdesk@127.0.0.1:1/roamdesk EMAIL_URL=smtp://127.0.0.1:25

# The tests start dozens of processes: without its compiled files each would compile the whole program again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test test-sqlite test-postgres faults api-proof lint format bench screenshots requirements messages compilemessages clean

help:  ## This list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 28

# -- Set-up: a stamp for what is installed, so that the second time costs nothing -------------------------------------

.venv/bin/python:
	@command -v $(PYTHON) >/dev/null || { echo "Roamdesk needs Python 3.11 or newer; $(PYTHON) was not found. Name another one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Roamdesk needs Python 3.11 or newer; " + sys.executable + " is " + sys.version.split()[0] + ". Name another one: make PYTHON=/path/to/python3.11")'
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "This Python cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "Making .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }

.venv/runtime.stamp: requirements.txt | .venv/bin/python
	@test -e .venv/dev.stamp || { echo "Installing what Roamdesk needs"; $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt; }
	@touch $@

.venv/dev.stamp: requirements-dev.txt | .venv/bin/python
	@echo "Installing what Roamdesk and its tests need"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@ .venv/runtime.stamp

# -- Work -------------------------------------------------------------------------------------------------------------

demo: .venv/runtime.stamp  ## A filled, working back office on this machine, until Ctrl-C (DEMO="--port 8080")
	@exec $(BIN)/python manage.py demo $(DEMO)

test: test-sqlite  ## All tests (on SQLite; those that need PostgreSQL or a browser run where there is one)
	@if $(BIN)/python -m tests.postgres; then \
		TEST_DATABASE=postgres $(PYTEST) -m postgres $(ARGS); \
	else \
		echo "PostgreSQL is not installed here: the tests marked 'postgres' were skipped."; \
	fi

test-sqlite: .venv/dev.stamp  ## The whole suite on SQLite; the tests that need PostgreSQL are skipped
	$(PYTEST) $(ARGS)

test-postgres: .venv/dev.stamp  ## The whole suite, but how pages look, on a throw-away PostgreSQL server (or on DATABASE_URL)
	TEST_DATABASE=postgres $(PYTEST) $(ARGS)

# How many schedules, how many killed workers; one block of schedules again: make faults SEED=17
N ?= 300
KILLS ?= 20
SEED ?=
faults: .venv/dev.stamp  ## Random schedules of faults on PostgreSQL, workers killed (N=2000 KILLS=50, or SEED=17)
	TEST_DATABASE=postgres FAULTS=$(N) FAULT_KILLS=$(KILLS) FAULTS_SEED=$(SEED) \
		$(PYTEST) $(if $(SEED),tests/faults/test_schedules.py,tests/faults) $(ARGS)

api-proof: .venv/dev.stamp  ## schemathesis on every operation of the API, N examples each (N=1000)
	SCHEMATHESIS_EXAMPLES=$(if $(filter command line,$(origin N)),$(N),200) $(PYTEST) tests/api/test_schemathesis.py $(ARGS)

lint: .venv/dev.stamp  ## Style, types, imports, migrations, production settings, texts, requirements
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	ROAMDESK_DEMO=1 ROAMDESK_ENV_FILE=/dev/null $(BIN)/python manage.py makemigrations --check --dry-run
	$(PRODUCTION) $(BIN)/python manage.py check --deploy --fail-level WARNING
	$(BIN)/python -m tests.project.messages
	$(BIN)/python -m tests.project.requirements

format: .venv/dev.stamp  ## Put the code into its form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/dev.stamp  ## Benchmarks: JSON lines with our time, the floor's, and the limit (ARGS="--size ci")
	$(BIN)/python -m benchmarks $(ARGS)

screenshots: .venv/dev.stamp  ## Pictures of all pages of a filled demo, and the README's
	$(BIN)/python -m tests.demo.screenshots

requirements: .venv/bin/python  ## Pin what pyproject.toml asks for, with hashes
	@test -x .venv-tools/bin/pip-compile || { $(PYTHON) -m venv .venv-tools && .venv-tools/bin/python -m pip install --quiet pip-tools; }
	@export CUSTOM_COMPILE_COMMAND="make requirements"; \
	compile=".venv-tools/bin/pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --strip-extras --allow-unsafe"; \
	$$compile --extra dev --output-file requirements-dev.txt pyproject.toml && \
	$$compile --constraint requirements-dev.txt --output-file requirements.txt pyproject.toml

messages: .venv/dev.stamp  ## Collect the texts to translate (needs gettext)
	ROAMDESK_DEMO=1 $(BIN)/python manage.py makemessages --locale ja --no-wrap --no-location --no-obsolete --ignore '.venv*' --ignore tests --ignore var --ignore build

compilemessages: .venv/dev.stamp  ## Compile the translated texts (needs gettext); the results are committed
	ROAMDESK_DEMO=1 $(BIN)/python manage.py compilemessages --locale ja --ignore '.venv*' --ignore var

clean:  ## Forget the environment, the caches and the demo's data
	rm -rf .venv .venv-tools .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build staticfiles var
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
