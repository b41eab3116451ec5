# Two commands matter: `make demo` and `make test`. `make help` lists the others.

.DEFAULT_GOAL := help
.PHONY: help demo test check bench faults format venv clean

VENV := .venv
BIN := $(VENV)/bin
CORE := $(VENV)/.core
DEV := $(VENV)/.dev
export PIP_DISABLE_PIP_VERSION_CHECK := 1

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(CORE) ## Run the fraud example for 20 seconds, broker included
	@$(BIN)/python -m sabot demo --seconds 20

test: $(DEV) ## Run every check and test; ARGS goes to pytest
	@scripts/test $(ARGS)

check: $(DEV) ## Formatter, linter, types, layers, doctests: no tests
	@scripts/test --check

bench: $(DEV) ## Run the benchmarks; they need Java and Maven
	@$(BIN)/python -m benchmarks $(ARGS)

faults: $(DEV) ## Put faults into running workers and write docs/fault-report.md; ARGS=--long
	@$(BIN)/python -m tests.faults $(ARGS)

format: $(DEV) ## Format the code and fix what the linter can fix
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format .

venv: $(DEV) ## Build .venv with everything for development

clean: ## Remove .venv, caches and build results
	rm -rf $(VENV) build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The demo takes the core alone; the tests add their tools to the same environment.
$(CORE): pyproject.toml scripts/venv
	@scripts/venv $(VENV)
	@echo "installing sabot into $(VENV)"
	@$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(DEV): $(CORE)
	@echo "installing the development tools into $(VENV)"
	@$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@
