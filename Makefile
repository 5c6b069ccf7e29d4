# Everything happens in .venv, which is made on first use from $(PYTHON).
# The package is installed there as a built wheel: tests and demo run what a user would get.

PYTHON ?= python3
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
QUIETLY := -qq --disable-pip-version-check
PIP := $(BIN)/python -m pip $(QUIETLY) install
CODE := $(wildcard src tests benchmarks examples docs/*.py)
# Folders too: one is newer than the stamp when a file in it is gone.
SOURCES := $(shell find src -name __pycache__ -prune -o -print)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test check docs soak bench pythons lowest dist clean

help: ## list these targets
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-15s%s\n", $$1, $$2 }'

demo: $(VENV)/.package ## a mistaken clean-up, and the way back
	@$(BIN)/python examples/incident.py

test: check $(VENV)/.package $(VENV)/.dev ## check, then every test with coverage
	@MODLOG_HYPOTHESIS_PROFILE=ci $(BIN)/pytest -n 2 --dist worksteal -rs --cov --cov-report=term-missing:skip-covered $(ARGS)

check: $(VENV)/.dev ## style, types and floors
	@$(BIN)/ruff check --quiet $(CODE)
	@$(BIN)/ruff format --quiet --diff $(CODE)
	@$(BIN)/mypy $(CODE)
	@PYTHONPATH=src $(BIN)/lint-imports --no-logo

docs: $(VENV)/.dev ## make the site, docs/_build/index.html
	@PYTHONPATH=src $(BIN)/python docs/generate.py
	@PYTHONPATH=src $(BIN)/python -m sphinx -q -W --keep-going docs docs/_build

soak: $(VENV)/.package $(VENV)/.dev ## laws with many more histories, kills, large numbers
	@MODLOG_HYPOTHESIS_PROFILE=soak $(BIN)/pytest -n auto --timeout 0 -m "laws or soak" $(ARGS)

bench: $(VENV)/.package $(VENV)/.dev $(VENV)/.bench ## measure (ARGS="…" goes to the benchmarks)
	@$(BIN)/python -m benchmarks $(ARGS)

# The Pythons that modlog supports, and what is tried on all of them.
PYTHONS := 3.11 3.12 3.13 3.14
SMOKE := tests/domain $(addprefix tests/test_,$(addsuffix .py,surface packaging opening commands \
	transactions concurrency laws reverts sweeps exports recorder projection_runner report cli cli_help docs))

pythons: ## the core of the tests on each supported Python that is installed
	@tried= missing=; for version in $(PYTHONS); do \
	    python=$$(PYENV_VERSION=$$(pyenv latest $$version 2>/dev/null) \
	        python$$version -c 'import sys; print(sys.executable)' 2>/dev/null) || \
	        { missing="$$missing $$version"; continue; }; \
	    echo "Python $$version"; \
	    $$python -m venv $(VENV)-$$version && \
	        $(VENV)-$$version/bin/python -m pip $(QUIETLY) install '.[dev]' && \
	        $(VENV)-$$version/bin/pytest -q -n 2 $(SMOKE) $(ARGS) || exit; \
	    tried="$$tried $$version"; \
	done; echo "tried:$${tried:- none}; not installed, and left out:$${missing:- none}"; test -n "$$tried"

# Numbers of calls are those of today's drivers, and today's tools publish.
NEWEST := --ignore tests/test_calls.py --ignore tests/test_packaging.py

lowest: $(VENV)/.deps ## every test with the lowest versions that pyproject.toml allows
	@$(PYTHON) -m venv $(VENV)-lowest
	@$(BIN)/python -c "$$LOWEST" > $(VENV)-lowest/lowest.txt
	@$(VENV)-lowest/bin/python -m pip $(QUIETLY) install --constraint $(VENV)-lowest/lowest.txt '.[dev]'
	@$(VENV)-lowest/bin/pytest -q -n 2 $(NEWEST) $(ARGS)

dist: $(VENV)/.dev ## build and check what is published, dist/*
	@rm -rf dist
	@$(BIN)/python -m build --no-isolation
	@$(BIN)/twine check --strict dist/*
	@! grep --quiet 'https://modlog\.example/' pyproject.toml || \
	    echo "before it is published: put the project's own addresses into [project.urls]"

clean: ## remove everything that was made
	@rm -rf $(VENV) $(VENV)-* dist docs/_build .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -prune -exec rm -rf {} +

# What the package needs to be built and to run.
define NEEDS
import tomllib
with open("pyproject.toml", "rb") as file:
    project = tomllib.load(file)
print(*project["build-system"]["requires"], *project["project"]["dependencies"], sep="\n")
endef
export NEEDS

# The lowest versions of these, and of what the extras for users need.
define LOWEST
import re, tomllib
with open("pyproject.toml", "rb") as file:
    project = tomllib.load(file)["project"]
extras = project["optional-dependencies"]
for needs in (project["dependencies"], *(extras[e] for e in extras.keys() - {"bench", "dev", "docs"})):
    for name, version in (re.match(r"([\w-]+)(?:\[\w+\])?>=([\d.]+)", one).groups() for one in needs):
        print(f"{name}=={version}")
endef
export LOWEST

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
