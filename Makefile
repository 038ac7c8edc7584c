.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
BEGUN := $(VENV)/.begun
LOCK := --universal --generate-hashes --no-emit-index-url --no-header
PACKAGES := seedance storage producer worker simulator client
UV := $(shell command -v uv 2>/dev/null)
PINNED = $$(grep -c '^[a-zA-Z]' requirements.lock)

.PHONY: help
help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): requirements.lock pyproject.toml client/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "reelq needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.12 setup"; exit 2; }
# Start over where an earlier setup was interrupted: an installer takes a half-written package for a whole one.
	@if [ -e $(BEGUN) ]; then rm -rf $(VENV); fi
	@mkdir -p $(VENV) && touch $(BEGUN)
	@echo "setup 1 of 4: make $(VENV) with $$($(PYTHON) --version 2>&1)"
ifneq ($(UV),)
	@$(UV) venv -q --allow-existing --python $(PYTHON) $(VENV)
	@echo "setup 2 of 4: install the $(PINNED) packages of requirements.lock with uv"
	@$(UV) pip sync -q --python $(BIN)/python --require-hashes requirements.lock
	@echo "setup 3 of 4: install reelq and reelq-client from this checkout"
	@$(UV) pip install -q --python $(BIN)/python --no-deps --no-build-isolation --editable . --editable client
else
	@$(PYTHON) -m venv $(VENV)
	@echo "setup 2 of 4: install the $(PINNED) packages of requirements.lock; this takes a minute or two"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-compile --require-hashes -r requirements.lock
	@echo "setup 3 of 4: install reelq and reelq-client from this checkout"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation --editable . --editable client
endif
	@$(PYTHON) tools/checkout_paths.py $(VENV)
# Without this each process compiles again what it imports, where none may write. An installer would compile one file
# after another, and not the checkout; more than half of all files are of Ark's SDK, of which the tests import a few.
	@echo "setup 4 of 4: compile the packages and the checkout"
	@$(BIN)/python -W ignore -m compileall -qq -j 0 -x byteplussdk $(VENV)/lib || true
	@$(BIN)/python -m compileall -q -j 0 $(PACKAGES)
	@mv $(BEGUN) $(STAMP)

.PHONY: setup
setup: $(STAMP) ## make .venv and install everything, exact versions with hashes

.PHONY: demo
demo: $(STAMP) ## run a campaign of 12 jobs through the whole system (KEEP=1 leaves it running)
	@$(BIN)/reelq demo $(if $(KEEP),--keep)

.PHONY: lint
lint: $(STAMP) ## formatting, lint and types
	@$(BIN)/ruff format --check -q .
	@$(BIN)/ruff check -q .
	@$(BIN)/mypy --no-error-summary

# Lint and types run beside the tests, which leave a quarter of two cores idle; a fault is shown at once, and again at the end.
.PHONY: test
test: $(STAMP) ## lint, types and every test, against real servers
	@found=$$(mktemp); trap 'rm -f "$$found"' EXIT; \
	( $(MAKE) --no-print-directory lint >"$$found" 2>&1 || { printf '\nmake lint failed:\n'; cat "$$found"; exit 1; } ) & linting=$$!; \
	$(BIN)/pytest; tested=$$?; \
	wait $$linting; linted=$$?; \
	if [ $$linted != 0 ]; then printf '\nmake lint failed:\n'; cat "$$found"; fi; \
	exit $$(( tested ? tested : linted ))

.PHONY: check
check: test ## the same as test: what CI runs

.PHONY: check-fast
check-fast: lint ## lint, types and the tests that need no whole stack
	@$(BIN)/pytest -m "not slow"

.PHONY: chaos
chaos: $(STAMP) ## kill everything, for 15 minutes at the most, and check the promises (SEED=n repeats a run)
	@$(BIN)/pytest -q -n 0 --hypothesis-profile=thorough tests/integration/jobs/test_state_machine_property.py
	@$(BIN)/python -m tests.chaos.run $(if $(SEED),--seed $(SEED))

.PHONY: hosts
hosts: $(STAMP) ## pull cables and kill hosts for 4 minutes, on five hosts in network namespaces (Linux, root), and check the promises
	@$(BIN)/python -m tests.chaos.hosts.run $(if $(SEED),--seed $(SEED))

.PHONY: units
units: $(STAMP) ## install on a machine with a real systemd as deploy/systemd says, kills included (Linux, root)
	@UNITS_TEST=1 $(BIN)/pytest -q -n 0 tests/end_to_end/test_units.py

.PHONY: upgrade
upgrade: $(STAMP) ## upgrade from the previous release with jobs in flight, in 12 minutes (FROM=commit; needs git history, a registry)
	@$(BIN)/python -m tests.upgrade.run $(if $(FROM),--from $(FROM))

.PHONY: compose
compose: $(STAMP) ## build the images and run docker-compose.yml, kills included (needs Docker)
	@COMPOSE_TEST=1 $(BIN)/pytest -q -n 0 tests/end_to_end/test_compose.py

.PHONY: bench
bench: $(STAMP) ## measure beside Celery, DBOS and others, in 25 minutes (PART=lifecycle: one part; QUICK=1: small runs)
	@$(BIN)/python -m bench $(PART) $(if $(QUICK),--quick)

.PHONY: bench-lock
bench-lock: ## update the contenders' lock file (needs uv)
	@uv pip compile -q bench/contenders/requirements.in --python-version 3.11 $(LOCK) -o bench/contenders/requirements.lock

CLIENT_TS := client-ts/node_modules/.package-lock.json
GENERATORS := client-ts/generators

$(CLIENT_TS): client-ts/package-lock.json
	@cd client-ts && npm ci --silent --ignore-scripts

.PHONY: client-ts
client-ts: $(STAMP) $(CLIENT_TS) ## install, build and test the TypeScript client, generated clients and the openai package for Node (needs npm)
	@cd $(GENERATORS) && npm ci --silent --ignore-scripts
	@$(PYTHON) -m venv $(GENERATORS)/.venv
	@$(GENERATORS)/.venv/bin/pip install -q --disable-pip-version-check --require-hashes -r $(GENERATORS)/requirements.lock
	@GENERATED_CLIENTS=1 $(BIN)/pytest -n 1 tests/integration/typescript tests/unit/project/test_typescript_client.py

.PHONY: client-ts-types
client-ts-types: $(STAMP) $(CLIENT_TS) ## generate the types of the TypeScript client from the API
	@$(BIN)/python -m tests.openapi_document | npm run --silent --prefix client-ts generate

.PHONY: docs
docs: $(STAMP) ## make docs/configuration.md from the settings
	@$(BIN)/python -m tools.configuration

.PHONY: dashboards
dashboards: $(STAMP) ## make deploy/grafana/dashboards/reelq.json from tools/dashboards/panels.py
	@$(BIN)/python -m tools.dashboards

CHART_VENV := .venv-chart
CHART_STAMP := $(CHART_VENV)/.installed

$(CHART_STAMP): deploy/helm/requirements.lock
	@$(PYTHON) -m venv $(CHART_VENV)
	@$(CHART_VENV)/bin/pip install -q --disable-pip-version-check --require-hashes -r deploy/helm/requirements.lock
	@touch $(CHART_STAMP)

.PHONY: chart
chart: $(CHART_STAMP) ## lint the Helm chart, render deploy/helm/rendered, check it against Kubernetes' schemas (fetches 100 MB once)
	@$(CHART_VENV)/bin/python -m tools.chart

SITE_VENV := .venv-site
SITE_STAMP := $(SITE_VENV)/.installed

$(SITE_STAMP): tools/site/requirements.lock
	@$(PYTHON) -m venv $(SITE_VENV)
	@$(SITE_VENV)/bin/pip install -q --disable-pip-version-check --require-hashes -r tools/site/requirements.lock
	@touch $(SITE_STAMP)

.PHONY: site
site: $(SITE_STAMP) ## build the documentation as a site into dist/site, with search, every link checked
	@$(SITE_VENV)/bin/python -m tools.site
	@NO_MKDOCS_2_WARNING=1 $(SITE_VENV)/bin/mkdocs build -q --strict

RELEASE_VENV := .venv-release
RELEASE_STAMP := $(RELEASE_VENV)/.installed

$(RELEASE_STAMP): tools/release/requirements.lock
	@$(PYTHON) -m venv $(RELEASE_VENV)
	@$(RELEASE_VENV)/bin/pip install -q --disable-pip-version-check --require-hashes -r tools/release/requirements.lock
	@touch $(RELEASE_STAMP)

.PHONY: release
release: $(STAMP) $(RELEASE_STAMP) $(CLIENT_TS) ## build a release into dist/, with inventory and checksums (SIGN=ssh:KEY signs, REHEARSAL=1 tries)
	@$(BIN)/python -m tools.release $(if $(SIGN),--sign $(SIGN)) $(if $(REHEARSAL),--rehearsal)

.PHONY: format
format: $(STAMP) ## rewrite the code in the project's format
	@$(BIN)/ruff format -q .
	@$(BIN)/ruff check -q --fix .

.PHONY: lock
lock: $(STAMP) ## update the lock files from the ranges in pyproject.toml (needs uv)
	@uv pip compile -q pyproject.toml --all-extras --no-emit-package reelq-simulator --no-emit-package reelq-client $(LOCK) -o requirements.lock
	@uv pip compile -q pyproject.toml --no-emit-package reelq-client $(LOCK) -c requirements.lock -o deploy/docker/requirements.lock
	@uv pip compile -q tools/site/requirements.in --python-version 3.11 $(LOCK) -o tools/site/requirements.lock
	@uv pip compile -q tools/release/requirements.in --python-version 3.11 $(LOCK) -o tools/release/requirements.lock
	@uv pip compile -q deploy/helm/requirements.in --python-version 3.11 $(LOCK) -o deploy/helm/requirements.lock
	@for extra in backup media otel sentry; do \
	  $(BIN)/python -c "import sys, tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies'][sys.argv[1]], sep='\n')" $$extra \
	    | uv pip compile -q - $(LOCK) --python-version 3.11 -c requirements.lock -o deploy/docker/$$extra.lock || exit; done
