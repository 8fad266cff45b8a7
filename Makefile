# Two commands set up all they need: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
SIZE := quick
PEER :=

.DEFAULT_GOAL := help
.PHONY: help demo test test-newest check format docs bench bench-read clean

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

test: check  ## Run all checks and all tests
	$(BIN)/python -m pytest

test-newest:  ## Run what needs no service on the newest Python that is here
	$(MAKE) VENV=.venv-newest PYTHON=$$(tools/newest-python) .venv-newest/ready
	.venv-newest/bin/python -m pytest --ignore tests/pipeline

bench: $(READY)  ## Measure against the lower limit: make bench SIZE=full PEER=path/to/cut_cells
	$(BIN)/python -m benchmarks.run --size $(SIZE) $(if $(PEER),--peer $(PEER))

bench-read: $(READY)  ## Measure random cells against contiguous ones: make bench-read OPTIONS='--cold'
	$(BIN)/python -m benchmarks.reading $(OPTIONS)

format: $(READY)  ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs:  ## Write docs/parameters.md anew
	bin/parameter-table > docs/parameters.md

clean:  ## Remove what these targets made
	rm -rf .venv .venv-newest .tools demo
