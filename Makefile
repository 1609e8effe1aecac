# Each target sets up what it needs: see scripts/setup.sh. `make help` is made from the ## comments.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup demo test bench fuzz lint lock clean FORCE

BIN := .venv/bin
READY := .venv/.ready
C_SOURCES = $(shell find firmware -name '*.[ch]' | sort) examples/cmake/main.c

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z%\/]+:.*## / {sub("%", "NAME"); printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements.lock pyproject.toml scripts/setup.sh
	@scripts/setup.sh

setup: $(READY) ## Make .venv from requirements.lock; install missing Debian packages where allowed

demo: $(READY) ## Search a network for the STM32F746, export it, run it on an emulated M7 (9 minutes)
	@$(BIN)/mcu-nas search --board stm32f746g-disco --data fashion-mnist --latency 10ms --effort quick \
		--run runs/demo $(if $(wildcard runs/demo/run.json),--resume)

models/%: FORCE $(READY) ## Search a network of models/ anew, by the commands in its card (hours)
	@$(BIN)/python scripts/rebuild_model.py $@

FORCE:

test: lint ## Check the sources, then run all tests on two cores
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

bench: $(READY) ## Instructions, memory and flash of whole models on the emulated M7, and what changed (10 minutes)
	@OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.engine.run

fuzz: $(READY) ## Damaged models through reader, passes and planner; FUZZ_SECONDS=600, FUZZ_SEED=1
	@$(BIN)/python -c 'import atheris' 2>/dev/null || \
		$(BIN)/python -m pip --disable-pip-version-check install -qq --no-build-isolation --editable '.[fuzz]' || true
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz.run

lint: $(READY) ## ruff, mypy and clang-format, changing nothing
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy --no-error-summary
	@clang-format --dry-run --Werror $(C_SOURCES)

lock: ## Resolve pyproject.toml afresh into requirements.lock
	@scripts/lock.sh

clean: ## Remove .venv, caches and build leftovers; runs/ stays
	@rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
