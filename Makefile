# One command for each thing a developer does. Each makes its own virtual environment when there is none.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test test-slow test-gpu test-browser lint explorer explorer-check package bench docs site reproduce clean
.DEFAULT_GOAL := help

help:
	@echo "make demo          train on the embedded MNIST, draw its map and write demo/report.html"
	@echo "make test          run the tests                make test-slow  the ones that take minutes"
	@echo "make test-gpu      run the tests that need a GPU; they are skipped where torch sees none"
	@echo "make test-browser  drive the explorer in Chromium; screenshots in build/screenshots"
	@echo "make lint          ruff, mypy --strict and import-linter     make bench      run the benchmarks"
	@echo "make explorer      build the explorer's page from explorer-ui (needs Node 20 or newer)"
	@echo "make reproduce     the course chapter, published beside measured, in chapter/index.html"
	@echo "make docs          write the generated tables of README and docs"
	@echo "make package       build wheel and sdist in dist/, check them, and run the demo from the wheel"
	@echo "make site          build the documentation as a site in build/site"

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

# Kernels are compiled once, and not by each process of the tests. These have one thread each: more would wait for each other.
# A GPU is hidden from them: they compare results to the last bit.
PYTEST := CUDA_VISIBLE_DEVICES= PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 OMP_WAIT_POLICY=passive \
	$(BIN)/python -m pytest -n logical --dist worksteal --durations 15

test: $(VENV)/.installed-dev
	$(BIN)/python -m latentmap.run.warmup
	$(PYTEST) --ignore tests/browser

test-slow: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -m slow

# Where torch sees no GPU each of them is skipped, with a sentence.
test-gpu: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -rs -m gpu tests/gpu

# LATENTMAP_RUN=demo drives the explorer of that run instead of a small one.
test-browser: $(VENV)/.installed-dev
	$(PYTEST) tests/browser

explorer:
	cd explorer-ui && npm ci --silent && npm run --silent build

# The page's tests pass, and the committed bundle is the one that the sources give.
explorer-check: explorer
	cd explorer-ui && npm run --silent test
	test -z "$$(git status --porcelain src/latentmap/explorer/static src/latentmap/explorer/runtime)"

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The wheel is installed into an environment that has nothing else, and is used from there.
package:
	rm -rf dist build/packaging build/fresh build/first-run
	$(PYTHON) -m venv build/packaging
	build/packaging/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt build twine
	build/packaging/bin/python -m build --outdir dist .
	build/packaging/bin/python -m twine check --strict dist/*
	$(PYTHON) -m venv build/fresh
	build/fresh/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt dist/*.whl
	cd build && fresh/bin/latentmap doctor && fresh/bin/latentmap demo --images 300 --no-explore --quiet -o first-run

bench: $(VENV)/.installed-dev
	$(PIP) -r benchmarks/requirements.txt
	$(BIN)/python -m benchmarks
	$(MAKE) docs

docs: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks.tables

# A broken link, a page without a place in the navigation or a missing docstring is an error.
site: $(VENV)/.installed
	$(PIP) --editable '.[site]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

clean:
	rm -rf $(VENV) demo chapter build dist explorer-ui/node_modules benchmarks/deckgl/node_modules src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
