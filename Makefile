# Every target sets itself up from the hash-pinned lock file; Python 3.11+ and make are all that is needed.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
REFUNDRY_RECORDINGS ?= ../shared/recordings
export REFUNDRY_RECORDINGS
PYTEST := $(BIN)/python -m pytest -q

.DEFAULT_GOAL := help
.PHONY: help demo test lint types contracts unit conformance predictions simulate docs format lock wheel clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 24

$(READY): requirements-dev.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Refundry needs Python 3.11 or later; set PYTHON=python3.12, say")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(READY)

demo: $(READY) ## the whole way from webhook to credit memo against the sandbox store (EXIT=1 ends by itself)
	$(BIN)/refundry demo $(if $(EXIT),--exit,)

test: lint types contracts unit ## all that CI runs: lint, types, import contracts, tests

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(READY)
	$(BIN)/mypy

contracts: $(READY)
	$(BIN)/lint-imports

unit: $(READY)
	$(PYTEST) -n auto

conformance: $(READY) ## replay the recordings of a real Magento against the sandbox (REFUNDRY_RECORDINGS=DIR)
	$(BIN)/python -m tests.conformance $(REFUNDRY_RECORDINGS)

.PHONY: model torture two-hosts
model: $(READY) ## visit every state of the refund protocol, and show how it fails without each of its guards; ten minutes
	$(BIN)/python -m tests.model

torture: $(READY) ## kill -9 of the real processes, 1,000 times, at random moments (KILLS=50 SEED=7)
	$(BIN)/python -m tests.torture --kills $(or $(KILLS),1000) $(if $(SEED),--seed $(SEED),)

.PHONY: latency
latency: $(READY) ## from acknowledgement to memo against Magento's own time, one idle refund at a time (REFUNDS=20)
	$(BIN)/python -m bench.latency --refunds $(or $(REFUNDS),20)

two-hosts: $(READY) ## freeze and kill one of two hosts on one PostgreSQL in the middle of refunds (ROUNDS=10 SEED=7)
	$(BIN)/python -m tests.torture.hosts --rounds $(or $(ROUNDS),10) $(if $(SEED),--seed $(SEED),)

predictions: $(READY) ## compare predicted memo totals with every accepted call of the recordings
	$(BIN)/python -m tests.predictions $(REFUNDRY_RECORDINGS)

.PHONY: oracle teeth mutation
oracle: $(READY) ## play 100,000 orders against a second computation in exact fractions (ORDERS=N)
	$(BIN)/python -m tests.oracle --orders $(or $(ORDERS),100000)

teeth: $(READY) ## seed every known defect in a copy and see the tests catch it; prints its table in docs/reliability.md
	$(BIN)/python -m tests.teeth --write docs/reliability.md

mutation: $(READY) ## try every small fault in what decides about money; an hour or two, goes on where it was stopped; prints docs/mutation.md (MODULES=FILE …)
	$(BIN)/python -m tests.mutation $(MODULES) --keep .mutation.jsonl $(if $(MODULES),,--write docs/mutation.md)

.PHONY: fuzz webhooks-differential
fuzz: $(READY) ## feed every scheme and every kind of body what coverage suggests; ends at the first foreign exception (SECONDS=60 for each)
	$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),60)

webhooks-differential: $(READY) ## compare our Standard Webhooks verifier with the library's; prints docs/auth-trials.md (CASES=N)
	$(BIN)/python -m tests.differential --cases $(or $(CASES),1000000) --write docs/auth-trials.md

simulate: $(READY) ## schedules of chance for 600 s, every fault, all pairs of faults: two hours of two cores (SECONDS=N ends the schedules and the pairs, SEED=0)
	$(BIN)/python -m tests.simulation run --seconds $(or $(SECONDS),600) --seed $(or $(SEED),0)
	$(BIN)/python -m tests.simulation matrix
	$(BIN)/python -m tests.simulation pairs $(if $(SECONDS),--seconds $(SECONDS)) --seed $(or $(SEED),0)

BENCH_VENV ?= .venv-bench
BENCH_READY := $(BENCH_VENV)/.ready
BENCH := $(BENCH_VENV)/bin/python -m bench
.PHONY: bench bench-peers
bench: $(BENCH_READY) ## measure intake, peers, losses, scale, latency; writes docs/performance.md (SECONDS=4 ROUNDS=5 ROWS=1000000 SECTIONS="…")
	$(BENCH) run $(SECTIONS) --seconds $(or $(SECONDS),4) --rounds $(or $(ROUNDS),5) --rows $(or $(ROWS),1000000) $(BENCH_OPTIONS)
	$(BENCH) report

bench-peers: $(BENCH_READY) ## install Node-RED and n8n from npm, for `make bench` to measure beside ours
	$(BENCH) peers

$(BENCH_READY): requirements-bench.lock pyproject.toml
	$(PYTHON) -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bench.lock
	$(BENCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(BENCH_READY)

docs: $(READY) ## print the documents that are made from the code
	$(BIN)/refundry docs docs

format: $(READY) ## let ruff format and mend what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: ## renew the lock files from pyproject.toml (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet pyproject.toml -o requirements.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet pyproject.toml --group dev -c requirements.lock -o requirements-dev.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet pyproject.toml --group bench -c requirements-dev.lock -o requirements-bench.lock

wheel: $(READY) ## build the wheel into dist/
	$(BIN)/python -m build --wheel --no-isolation --outdir dist .

clean: ## remove what the targets made
	rm -rf $(VENV) $(BENCH_VENV) .bench dist build *.egg-info .mutation.jsonl .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
