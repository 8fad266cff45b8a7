# Two commands set up all they need: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
READY := $(VENV)/ready
SIZE := quick
PEER :=

.DEFAULT_GOAL := help
.PHONY: help demo demo-cli tools test test-plain test-docs test-newest notebooks check format coverage docs dist bench bench-read clean

help:  ## Show these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Before anything is installed: what cannot be installed here
$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or later is needed: make PYTHON=python3.13, say" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "no venv for $(PYTHON) found (Debian: apt-get install python3-venv)" >&2; exit 1; }
	@echo "installing into $(VENV): about a minute, 0.7 GB"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

tools:
	@tools/nextflow/run --check

demo: tools $(READY)  ## Make a small MCMICRO project, run the pipeline on it, and draw pictures
	$(BIN)/python bin/demo demo

demo-cli: $(READY)  ## The same without the pipeline, by the commands alone: no Java needed
	$(BIN)/python bin/demo --commands-only demo

check: $(READY)  ## Lint, check the format, the types and the layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	tools/actionlint

test: check  ## Run all checks and all tests, two at a time
	$(BIN)/python -m pytest -n 2

test-plain: $(READY)  ## Run what needs no service, on this Python
	$(BIN)/python -m pytest --ignore tests/pipeline --ignore tests/docs

test-docs: $(READY)  ## Run the snippets of the documentation
	$(BIN)/python -m pytest tests/docs

dist: $(READY)  ## Build the package, in dist/
	$(BIN)/python -m build

test-newest:  ## Run on the newest Python that is here what depends on Python most
	$(MAKE) VENV=.venv-newest PYTHON=$$(tools/newest-python) .venv-newest/ready
	.venv-newest/bin/python -m pytest -n 2 tests/cells tests/commands tests/store/reading

bench: $(READY)  ## Measure against the lower limit: make bench SIZE=full PEER=path/to/cut_cells
	$(BIN)/python -m benchmarks.run --size $(SIZE) $(if $(PEER),--peer $(PEER))

bench-read: $(READY)  ## Measure random cells against contiguous ones: make bench-read OPTIONS='--cold'
	$(BIN)/python -m benchmarks.reading $(OPTIONS)

format: $(READY)  ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

coverage: $(READY)  ## Run what needs no service, and show which lines and branches were run
	$(BIN)/python -m pytest --ignore tests/pipeline --ignore tests/docs --ignore tests/faults --cov --cov-report=term --cov-report=html

docs: $(READY)  ## Make the documentation as a site, in site/
	bin/parameter-table > docs/reference/parameters.md
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

notebooks: $(READY)  ## Run the notebooks anew and keep what they show (makes two environments in .tools/, 6 GB)
	CELLCUTTER_KEEP_NOTEBOOKS=1 $(BIN)/python -m pytest tests/docs/test_notebooks.py

clean:  ## Remove what these targets made
	rm -rf .venv .venv-newest .tools demo site htmlcov work .nextflow .nextflow.log* *.egg-info build dist .coverage .hypothesis \
		.import_linter_cache .mypy_cache .pytest_cache .ruff_cache benchmarks/data benchmarks/results
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
