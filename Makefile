# Two commands set up all they need: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
READY := $(VENV)/ready
SIZE := quick
PEER :=

.DEFAULT_GOAL := help
.PHONY: help demo test test-plain test-docs test-newest check format coverage docs dist bench clean

help:  ## Show these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

demo: $(READY)  ## Make a small MCMICRO project, run the pipeline on it, and draw pictures
	$(BIN)/python bin/demo demo

check: $(READY)  ## Lint, check the format, the types and the layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	tools/actionlint

test: check  ## Run all checks and all tests
	$(BIN)/python -m pytest

test-plain: $(READY)  ## Run what needs no service, on this Python
	$(BIN)/python -m pytest --ignore tests/pipeline --ignore tests/docs

test-docs: $(READY)  ## Run the snippets of the documentation
	$(BIN)/python -m pytest tests/docs

dist: $(READY)  ## Build the package, in dist/
	$(BIN)/python -m build

test-newest:  ## Run what needs no service on the newest Python that is here
	$(MAKE) VENV=.venv-newest PYTHON=$$(tools/newest-python) .venv-newest/ready
	.venv-newest/bin/python -m pytest --ignore tests/pipeline

bench: $(READY)  ## Measure against the lower limit: make bench SIZE=full PEER=path/to/cut_cells
	$(BIN)/python -m benchmarks.run --size $(SIZE) $(if $(PEER),--peer $(PEER))

format: $(READY)  ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

coverage: $(READY)  ## Run what needs no service, and show which lines and branches were run
	$(BIN)/python -m pytest --ignore tests/pipeline --ignore tests/docs --cov --cov-report=term --cov-report=html

docs: $(READY)  ## Make the documentation as a site, in site/
	bin/parameter-table > docs/reference/parameters.md
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

clean:  ## Remove what these targets made
	rm -rf .venv .venv-newest .tools demo site htmlcov
