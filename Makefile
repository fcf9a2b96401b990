# Targets are listed by `make help`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA ?= .data

.DEFAULT_GOAL := help
.PHONY: help run test lint types bench large fuzz attack api-fuzz corpus kill fmt lock clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/run.done ## set up, publish the sample city, serve on http://127.0.0.1:8000
	@$(BIN)/datahub demo catalogs/yichang --data $(DATA)

test: $(VENV)/test.done ## run the whole suite: lint, types, tests
	@$(MAKE) --no-print-directory lint types
	@$(BIN)/python -m pytest -n 2

lint: $(VENV)/test.done ## ruff and the import contracts
	@$(BIN)/ruff check -q . && $(BIN)/ruff format -q --check .
	@PYTHONPATH=. $(BIN)/lint-imports --no-cache --no-logo > $(VENV)/imports.txt || (cat $(VENV)/imports.txt; exit 1)
	@echo "lint: clean"

types: $(VENV)/test.done ## mypy --strict on datahub/
	@$(BIN)/mypy --no-error-summary && echo "types: clean"

bench: $(VENV)/test.done ## ratios against bare DuckDB and the bare disk, into the README
	@$(BIN)/python tests/bench.py

large: $(VENV)/test.done ## validate 10, 50 and 160 million rows (20 GB): rate and peak memory
	@$(BIN)/python tests/bench_validation.py --large

fuzz: $(VENV)/test.done ## 100,000 random tables judged here and by Frictionless
	@$(BIN)/python tests/fuzz.py --cases 100000

attack: CASES ?= 100000
attack: $(VENV)/test.done ## all attack statements on a service of its own, 100,000 mutants at the gate
	@$(BIN)/python tests/attacks.py
	@$(BIN)/python tests/gate_fuzz.py 1 $(CASES)

api-fuzz: CASES ?= 5000
api-fuzz: $(VENV)/test.done ## 5,000 random requests, held against the API's description
	@$(BIN)/python tests/fuzz_api.py --cases $(CASES)

corpus: $(VENV)/test.done ## score stage detect on 400 messy files, per kind
	@$(BIN)/python tests/corpus.py

kill: $(VENV)/test.done ## 30 kill -9 at random moments during submissions
	@$(BIN)/python tests/kill.py --rounds 30

fmt: $(VENV)/test.done ## format and fix
	@$(BIN)/ruff check -q --fix . ; $(BIN)/ruff format -q .

lock: $(VENV)/test.done ## lock the newest allowed versions, by hash
	@$(BIN)/uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-annotate pyproject.toml -o .lock/run.txt
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -c .lock/run.txt pyproject.toml --group test -o .lock/test.txt

clean: ## remove the environment, the data and all caches
	rm -rf $(VENV) $(DATA) *.egg-info .ruff_cache .mypy_cache .cache .hypothesis
	find datahub tests catalogs -name __pycache__ -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 …")'
	@echo "making the environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/run.done: .lock/run.txt pyproject.toml | $(BIN)/python
	@echo "installing locked packages (a minute or two on a new machine)"
	@$(BIN)/python -m pip install --disable-pip-version-check --no-deps --require-hashes -r .lock/run.txt
	@$(BIN)/python -m pip install --disable-pip-version-check -q --no-deps --no-build-isolation -e . 2> $(VENV)/install.log || (cat $(VENV)/install.log; exit 1)
	@touch $@

$(VENV)/test.done: .lock/test.txt $(VENV)/run.done
	@echo "installing locked packages for the tests"
	@$(BIN)/python -m pip install --disable-pip-version-check -q --no-deps --require-hashes -r .lock/test.txt
	@touch $@
