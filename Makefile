# `make` alone lists the targets. Everything runs in $(VENV), made on first use with Python's own venv.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
BROWSER := $(VENV)/browser/.fetched
JOBS ?= 4
FUZZ ?= 10

# Tests and demo start many processes; without it each would compile the whole package anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test fuzz check format dist versions golden clean

help: ## List the targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

# torch comes first: its CPU wheel then satisfies what depends on it, where the registry offers one.
$(STAMP): pyproject.toml
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "tunewise needs Python 3.11 or newer"'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet 'torch==2.13.0' numpy
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $(STAMP)

demo: $(STAMP) ## The main job with a small real model on shipped data: no key, no GPU
	PATH="$(abspath $(BIN)):$$PATH" bash examples/demo.sh

# A browser and axe-core for the tests of pages: outside what git keeps, fetched by npm where it is there.
$(BROWSER): $(STAMP) tests/browser_setup.py
	$(BIN)/python tests/browser_setup.py $(VENV)/browser
	touch $(BROWSER)

test: $(STAMP) $(BROWSER) ## Run the tests, a file at a time on each of $(JOBS) processes: two a core, since many wait
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

fuzz: $(STAMP) ## Search for inputs that break a property: $(FUZZ) rounds, each with new examples
	for round in $$(seq $(FUZZ)); do TUNEWISE_FUZZ=1 $(BIN)/python -m pytest -q -m hypothesis -n $(JOBS) || exit 1; done

check: $(STAMP) ## Lint, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP) ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

dist: ## Build sdist and wheel of the last commit, and try them in fresh environments
	PYTHON=$(PYTHON) bash benchmarks/dist.sh

versions: ## The tests without torch on every Python, with the lowest and the newest dependencies
	bash benchmarks/versions.sh

golden: $(STAMP) ## Renew the golden files after a change of reports, then read the diff
	TUNEWISE_RENEW_GOLDEN=1 $(BIN)/python -m pytest -k golden

clean: ## Remove the environment and caches
	rm -rf $(VENV) .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
