# `make demo` or `make test` is enough on a fresh machine: each installs first.
PYTHON ?= python3

BIN := .venv/bin
PROJECTS := pyproject.toml $(wildcard plugins/*/pyproject.toml)
PLUGINS := $(patsubst %/pyproject.toml,-e %,$(filter plugins/%,$(PROJECTS)))

# Processes that the tests are spread over, a file at a time: one more than cores, since a third of their time is spent waiting.
# In the order of pyproject.toml, not by the number of tests: files of few long tests would come last, and all wait for one.
WORKERS := -n $(shell $(PYTHON) -c 'import os; print(min(os.cpu_count() + 1, 4))') --dist loadfile --no-loadscope-reorder

.PHONY: help install demo test torture check bench docs site dist pictures clean

help:
	@echo 'make install   a virtual environment in .venv with the engine, the plugins and the tools'
	@echo 'make demo      a whole run, from tasks.toml to an exported model'
	@echo 'make test      all tests'
	@echo 'make torture   the long tests: damage, kills, full disks, lost nodes'
	@echo 'make check     style, types, and which module may import which'
	@echo 'make bench     how fast it is, measured side by side; writes the table of the README again (two hours on two cores)'
	@echo 'make site      the documentation as a web site, in site/'
	@echo 'make dist      wheels and source distributions of engine and plugins, in dist/'
	@echo 'make docs      write the references in docs again'
	@echo 'make pictures  approve how the screens of the terminal UI look now; read the difference'
	@echo 'make clean     remove .venv and caches; runs and their results (.gradts) stay'

install: .venv/installed

.venv/installed: $(PROJECTS) constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "GradTS needs Python 3.11 or newer, this is %d.%d: name one with make PYTHON=python3.11" % sys.version_info[:2])'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -c constraints.txt -e '.[dev]' $(PLUGINS)
	@touch $@

demo: install
	$(BIN)/gradts-engine run tasks.toml

test: install
	$(BIN)/python -m pytest $(WORKERS)

torture: install
	$(BIN)/python -m pytest -m torture --timeout=1200 $(WORKERS) --dist worksteal

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: install
	$(BIN)/python -m benchmarks --json benchmarks/results.json --readme README.md

docs: install
	$(BIN)/python docs/make_settings.py
	$(BIN)/python docs/make_hooks.py
	$(BIN)/python docs/make_rooms.py
	$(BIN)/python docs/make_data.py

site: install
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

# A distribution after the other; hatchling needs no network.
dist: install
	rm -rf dist
	for project in . plugins/*/; do (cd $$project && $(CURDIR)/$(BIN)/python -m hatchling build -d $(CURDIR)/dist) || exit 1; done

pictures: install
	GRADTS_PICTURES=write $(BIN)/python -m pytest -q tests/tui

clean:
	rm -rf .venv site .pytest_cache .ruff_cache .mypy_cache .hypothesis .import_linter_cache
