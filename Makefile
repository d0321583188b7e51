# One command for each thing a developer does. Each makes its own virtual environment when there is none.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test test-slow test-browser lint explorer explorer-check bench docs reproduce clean
.DEFAULT_GOAL := help

help:
	@echo "make demo          train on the embedded MNIST, draw its map and write demo/report.html"
	@echo "make test          run the tests                make test-slow  the ones that take minutes"
	@echo "make test-browser  drive the explorer of the demo in Chromium; screenshots in build/screenshots"
	@echo "make lint          ruff and mypy --strict       make bench      run the benchmarks"
	@echo "make explorer      build the explorer's page from explorer-ui (needs Node 20 or newer)"
	@echo "make reproduce     the course chapter, published beside measured, in chapter/index.html"
	@echo "make docs          rewrite the generated tables in README and docs"

# The two stamps stand for an environment with the product, and one with the developers' tools as well.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("Python %s is too old: latentmap needs 3.11 or newer" % sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) --editable '.[dev]'
	@touch $@

demo: $(VENV)/.installed
	$(BIN)/python -m latentmap run mnist -o demo

reproduce: $(VENV)/.installed
	$(BIN)/python -m latentmap reproduce -o chapter

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n logical --dist worksteal --durations 15

test-slow: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -m slow

test-browser: $(VENV)/.installed-dev demo
	LATENTMAP_RUN=demo $(BIN)/python -m pytest tests/browser

explorer:
	cd explorer-ui && npm ci --silent && npm run --silent build

# What is committed must be what the sources give.
explorer-check: explorer
	test -z "$$(git status --porcelain src/latentmap/explorer/static)"

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.installed-dev
	$(PIP) -r benchmarks/requirements.txt
	$(BIN)/python -m benchmarks
	$(MAKE) docs

docs: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks.tables

clean:
	rm -rf $(VENV) demo chapter build dist explorer-ui/node_modules benchmarks/deckgl/node_modules src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
