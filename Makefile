# Two commands: `make serve` and `make test`. Both set up what is missing first; the second time nothing is installed.
# TORCH=cpu at the first call takes PyTorch's CPU builds from PyTorch's own index; PYTHON=… names the interpreter.

SHELL := /bin/bash
.DEFAULT_GOAL := help
HOST ?= 127.0.0.1
PORT ?= 8000
BIN := .venv/bin
PYTHON_FILES := models service tests scripts deploy $(if $(wildcard benchmarks/*.py),benchmarks)

export TORCH PYTHON

.PHONY: help setup serve test soak check format bench-gate picture eval clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: ## .venv, packages, libraries, model files and what the tests need
	@scripts/setup tests

serve: ## the service with its demo page on http://127.0.0.1:8000 (HOST=, PORT=)
	@scripts/setup serve
	@exec $(BIN)/muslin serve --host $(HOST) --port $(PORT)

test: ## all tests but the long ones (ARGS="-k name" passes on to pytest)
	@scripts/setup tests
	@$(BIN)/python -m pytest $(ARGS)

soak: ## the long tests
	@scripts/setup tests
	@$(BIN)/python -m pytest -m soak $(ARGS)

check: ## format, lint, types, layers
	@scripts/setup tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy $(PYTHON_FILES)
	$(BIN)/lint-imports

format: ## puts the code into shape
	@scripts/setup tests
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

bench-gate: ## fails when the core or a stage of it got slower than benchmarks/baseline.json allows (ARGS='--raise "why"' writes it anew)
	@scripts/setup serve
	@$(BIN)/python -m benchmarks.gate $(ARGS)

picture: ## draws the README's picture from our own samples
	@scripts/setup serve
	$(BIN)/python -m benchmarks.readme_picture

eval: ## dresses all cases of MANIFEST=….csv into OUT=out/eval, with explanations
	@test -n "$(MANIFEST)" || { echo "say which cases: make eval MANIFEST=path/to/manifest.csv" >&2; exit 2; }
	@scripts/setup serve
	@$(BIN)/muslin batch "$(MANIFEST)" "$(or $(OUT),out/eval)" --explain || test $$? -eq 1 # some cases failed: they are listed

clean: ## removes what setup and the tools made here (model files stay in the user's cache)
	rm -rf .venv .setup.lock build dist out .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
