# Works with GNU Make 3.81, which macOS ships.
# Any target may be the first command in a bare clone: it makes .venv from the pinned requirements.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
INSTALL_PROJECT := $(PIP) install --no-deps --no-build-isolation --no-index --editable .
SAM := build/sam-cli
LINT := build/lint
# What make deploy takes: an environment of samconfig.toml; for a workflow the bucket and the role of
# .github/bootstrap.yaml, without which SAM makes a bucket and CloudFormation acts as you.
ENV := dev
ARTEFACTS ?=
CHANGE_ROLE ?=
LOCK := uv pip compile --universal --python-version 3.11 --generate-hashes --no-header \
	--no-annotate --no-emit-index-url --no-emit-find-links --quiet
# Given on the command line: make run ARGS="--records 500", make test ARGS="-k alerts".
ARGS ?=
# A file of tests at a time to each process; -n 0 among the ARGS runs them in one, as pytest does.
SIDE_BY_SIDE := -n logical --maxprocesses 4 --no-loadscope-reorder
# A checkout's half or whole of the Numenta Anomaly Benchmark: make bench-detection DATA=DIR
DATA ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run local faults test check schemas bench bench-detection build deploy deploy-built smoke sam-validate lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' Makefile

run: $(VENV)/run.stamp ## run the demo: local stack, seeded traffic, ledger, the page
	@$(BIN)/streamwarden demo $(ARGS)

local: $(VENV)/run.stamp ## keep the local stack up until Ctrl-C
	@$(BIN)/streamwarden local $(ARGS)

faults: $(VENV)/run.stamp ## run the demo with injected faults for ten seeds; reports in build/faults
	@mkdir -p build/faults
	@failed=; for seed in 1 2 3 4 5 6 7 8 9 10; do \
		report=build/faults/$$seed.txt; \
		$(BIN)/streamwarden demo --records 5000 --faults $$seed $(ARGS) >$$report 2>&1 || failed=yes; \
		echo "faults $$seed: $$(tail -n 1 $$report)"; \
	done; test -z "$$failed"

test: $(VENV)/dev.stamp $(LINT)/stamp ## run every test and check, with branch coverage
	@$(BIN)/python -m pytest $(SIDE_BY_SIDE) --cov --cov-report=term $(ARGS)

check: $(VENV)/dev.stamp ## run the checks alone: format, lint, types, imports, template, schemas
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/cfn-lint template.yaml
	@$(BIN)/streamwarden schemas --check

schemas: $(VENV)/run.stamp ## write schemas/ anew from the types of events, jobs and alerts
	@$(BIN)/streamwarden schemas

bench: $(VENV)/dev.stamp ## run the benchmarks: decoding, event sources, event flow, thumbnails
	@$(BIN)/python -m benchmarks.decode
	@$(BIN)/python -m benchmarks.event_sources
	@$(BIN)/python -W ignore::UserWarning -m benchmarks.event_flow $(ARGS)
	@$(BIN)/python -m benchmarks.thumbnails
	@$(BIN)/python -m benchmarks.cold_start

bench-detection: $(VENV)/dev.stamp ## score the detectors beside published ones: metrics and fraud
	@$(BIN)/python -m benchmarks.nab $(if $(DATA),--data $(DATA))
	@$(BIN)/python -m benchmarks.fraud $(ARGS)
	@$(BIN)/python -m benchmarks.clones

build: $(VENV)/run.stamp ## build each function's Lambda package into build/arm64 and build/x86_64
	@$(BIN)/streamwarden build $(ARGS)

deploy: build ## build, deploy the stack of ENV (dev, staging or prod), smoke-test it
	@$(MAKE) deploy-built ENV=$(ENV)
	@$(MAKE) smoke ENV=$(ENV)

deploy-built: $(SAM)/stamp ## deploy what make build left to the stack of ENV
	@SAM_CLI_TELEMETRY=0 $(SAM)/bin/sam deploy --config-env $(ENV) \
		$(if $(ARTEFACTS),--s3-bucket $(ARTEFACTS),--resolve-s3) \
		$(if $(CHANGE_ROLE),--role-arn $(CHANGE_ROLE))

smoke: $(VENV)/run.stamp ## send a marked batch through the deployed stack of ENV
	@$(BIN)/streamwarden smoke --stack streamwarden-$(ENV) $(ARGS)

sam-validate: $(SAM)/stamp ## lint template.yaml with the SAM CLI, in an environment of its own
	@SAM_CLI_TELEMETRY=0 $(SAM)/bin/sam validate --region eu-central-1 --template template.yaml
	@SAM_CLI_TELEMETRY=0 $(SAM)/bin/sam validate --lint --region eu-central-1 --template template.yaml

lock: ## resolve and pin the requirements anew; needs uv
	@$(LOCK) --extra local --extra build pyproject.toml -o requirements/run.txt
	@$(LOCK) --extra local --extra build --extra dev pyproject.toml -o requirements/dev.txt
	@$(LOCK) pyproject.toml -o requirements/lambda.txt
	@$(LOCK) requirements/sam.in -o requirements/sam.txt
	@$(LOCK) requirements/lint.in -o requirements/lint.txt

clean: ## remove everything that a make target made
	rm -rf $(VENV) build *.egg-info .coverage .coverage.* .streamwarden
	rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find consumers pipeline tests benchmarks -type d -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Streamwarden needs Python 3.11 or newer; name one: make PYTHON=python3.13 ..." >&2; \
		exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/run.stamp: $(VENV)/bin/python requirements/run.txt pyproject.toml
	@echo "installing what the local run needs into $(VENV) (once)" >&2
	@$(PIP) install --require-hashes --requirement requirements/run.txt
	@$(INSTALL_PROJECT)
	@touch $@

$(VENV)/dev.stamp: $(VENV)/bin/python requirements/dev.txt pyproject.toml
	@echo "installing what the tests need into $(VENV) (once)" >&2
	@$(PIP) install --require-hashes --requirement requirements/dev.txt
	@$(INSTALL_PROJECT)
	@touch $(VENV)/run.stamp $@

$(SAM)/stamp: $(VENV)/bin/python requirements/sam.txt
	@echo "installing the SAM CLI into $(SAM) (once)" >&2
	@$(BIN)/python -m venv $(SAM)
	@$(SAM)/bin/python -m pip --disable-pip-version-check --quiet install \
		--require-hashes --requirement requirements/sam.txt
	@touch $@

$(LINT)/stamp: $(VENV)/bin/python requirements/lint.txt
	@echo "installing checkov and the linters of workflows into $(LINT) (once)" >&2
	@$(BIN)/python -m venv $(LINT)
	@$(LINT)/bin/python -m pip --disable-pip-version-check --quiet install \
		--require-hashes --requirement requirements/lint.txt
	@touch $@
