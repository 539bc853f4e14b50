# One word per chore. Everything installs itself from locked, hashed dependencies.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: setup demo test check drill-kill drill-takeover drill-slack bench-slack bench-loop bench-cost bench-truth bench-google conformance conformance-servers conformance-slack screenshots clean bench-documents beancount

setup: $(READY)

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Cadre needs Python 3.11 or newer: set PYTHON=python3.x"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(READY)

demo: setup
	$(BIN)/cadre demo

# The story in a browser is told where the system has one.
test: setup $(if $(shell command -v chromium chromium-browser google-chrome),$(VENV)/.browser)
	$(BIN)/python -m pytest

$(VENV)/.browser: requirements-browser.lock | setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-browser.lock
	@touch $@

check: setup
	$(BIN)/ruff format --check bot connectors loopback skills tests
	$(BIN)/ruff check bot connectors loopback skills tests
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_architecture.py

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache

# POINTS=all visits every point of the close, which takes hours.
POINTS ?= 60

drill-kill: setup
	$(BIN)/cadre drill kill --work close --points $(POINTS) --seed 1
	$(BIN)/cadre drill kill --work launch --points 6 --kills 5 --seed 1
	$(BIN)/cadre drill kill --work day --seed 1

# How long it takes until the work of a lost worker is another's, on SQLite and PostgreSQL.
drill-takeover: setup
	$(BIN)/python -m tests.scenarios.two_workers

# Hours of live runs, and two thousand runs whose answers get lost, on a virtual clock.
drill-slack: setup
	@missed=0; for part in exactly_once simulation; do $(BIN)/python -m bench.slack.$$part || missed=1; done; exit $$missed

bench-slack: setup
	$(BIN)/python -m bench.slack.backlog

bench-loop: setup
	@missed=0; for part in "team" "agentloop faults" "agentloop loop"; do \
		$(BIN)/python -m bench.$$part || missed=1; done; exit $$missed

bench-cost: setup
	$(BIN)/python -m bench.agentloop cost

bench-truth: setup
	$(BIN)/python -m bench.truth $(if $(DATA),--data $(DATA)) $(if $(ONLY),--only "$(ONLY)") $(if $(SEED),--seed "$(SEED)") \
		$(if $(REPORT),--report $(REPORT))

bench-google: setup
	$(BIN)/python -m bench.google --faults 500

# The official suite and real servers, through the production host; what they need is installed below build/.
RUNS ?= 3

conformance: setup
	$(BIN)/python -m tests.conformance.suite --runs $(RUNS)

conformance-servers: setup
	$(BIN)/python -m tests.conformance.servers
	$(BIN)/python -m tests.conformance.offered

# Slack's own SDK tests against the local Slack: make conformance-slack SLACK_SDK_CHECKOUT=DIR
conformance-slack: setup
	$(BIN)/python -m pytest -n 0 -s tests/loopback/test_slack_sdk.py

# Beancount is under the GPL: it is installed apart, and read from in a process of its own.
beancount: setup
	$(PYTHON) -m venv build/beancount
	build/beancount/bin/python -m pip install --quiet --disable-pip-version-check 'beancount>=3,<4' beanquery
	CADRE_BEANCOUNT_PYTHON=build/beancount/bin/python $(BIN)/python -m pytest -n 0 tests/connectors/test_beancount.py

# Every real document beside the checkout, read behind walls: all lines accounted for.
bench-documents: setup
	$(BIN)/python -m bench.documents

screenshots: setup
	$(BIN)/python -m bench.screenshots
