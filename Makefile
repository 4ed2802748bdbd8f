# Each target sets up what it needs; `make` alone lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip
INSTALLED := $(VENV)/.installed
DOCS := $(VENV)/.docs
LOWEST := .venv-lowest

# Threads that wait do not spin: two busy processes on few cores otherwise take many times as long.
export OMP_WAIT_POLICY := PASSIVE
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Material announces its successor at every build.
export NO_MKDOCS_2_WARNING := 1

.DEFAULT_GOAL := help
.PHONY: help setup demo test lowest bench gpu docs lint types clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(INSTALLED) ## Install everything into .venv, beside the code

demo: $(INSTALLED) ## The main job: train with exact SCQ and its rivals, compare the backends, write the report
	$(BIN)/scq demo

test: $(INSTALLED) ## Run the default tests, on all cores
	$(BIN)/pytest -n auto --dist loadfile

lowest: ## Run the default tests with the oldest versions that are allowed (on Linux this downloads 3 GB of torch for CUDA)
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python -m pip install -c constraints-lowest.txt -e ".[train,report,peers,vqgan,prior,lightning,lsun,speech,rl,dev]"
	$(LOWEST)/bin/python -m pip install --no-deps qpth==0.0.18
	$(LOWEST)/bin/pytest

bench: $(INSTALLED) ## Run the benchmarks, on an otherwise idle machine; tables go to benchmarks/results and docs/speed.md
	for name in targets peers training memory startup growth regularizers; do $(BIN)/python benchmarks/$$name.py || exit 1; done

gpu: $(INSTALLED) ## On a machine with a GPU: what is skipped without one, the sanitizer, the benchmarks; tables go to docs/gpu.md
	@$(BIN)/python benchmarks/gpu.py --look
	$(BIN)/pytest -m "gpu and not nightly"
	@if command -v compute-sanitizer > /dev/null; then \
		for tool in memcheck racecheck; do \
			PYTORCH_NO_CUDA_MEMORY_CACHING=1 compute-sanitizer --tool $$tool --error-exitcode 1 $(BIN)/python tests/helpers/solve_on_gpu.py || exit 1; \
		done; \
	else echo "compute-sanitizer is not installed: it has not looked at the kernels"; fi
	$(BIN)/python benchmarks/gpu.py

docs: $(DOCS) ## Build the site into site/, every warning an error; open site/index.html
	$(BIN)/mkdocs build --strict

lint: $(INSTALLED) ## Check style and format
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(INSTALLED) ## Check types
	$(BIN)/pyrefly check

clean: ## Remove the environments, the site and caches; runs/ is left alone
	rm -rf $(VENV) $(LOWEST) site .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

# A stamp, so that nothing is installed twice. Peers come one by one: one that this machine cannot have is no error.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit("scq needs Python 3.11 or later, and $(PYTHON) is %d.%d; name another: make setup PYTHON=python3.12" % v[:2])'
	$(PYTHON) -m venv $(VENV)
	$(PIP) install -c constraints.txt -e ".[train,report,vqgan,prior,lightning,lsun,speech,rl,dev]"
	@$(BIN)/python -c 'import tomllib; extras = tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]; print(*extras["peers"], *extras["pesq"], sep="\n")' \
	| while read -r peer; do \
		$(PIP) install -c constraints.txt "$$peer" < /dev/null || echo "Optional: $$peer cannot be installed here; scq works without it."; \
	done
	@# It declares numpy<2, although it runs on NumPy 2, which the other peers need.
	@$(PIP) install --no-deps qpth==0.0.18 || echo "Optional backend: qpth cannot be installed here; scq works without it."
	@# torch for CUDA brings the version that it wants; where there is none, the kernels are tested in its interpreter.
	@$(BIN)/python -c 'import importlib.util, sys; sys.exit(importlib.util.find_spec("triton") is None)' \
		|| $(PIP) install triton==3.9.0 || echo "Optional: triton cannot be installed here; scq works without it."
	@touch $@

# Only those who build the site pay for what it needs.
$(DOCS): $(INSTALLED)
	$(PIP) install -c constraints.txt -e ".[docs]"
	@touch $@
