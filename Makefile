# make demo | test | bench | lint | docs | clean. Each sets up what it needs in .venv, and is cheap to repeat.
# Arguments go through ARGS: make test ARGS="tests/ops -x"

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VENV ?= .venv
ARGS ?=
# What takes minutes runs in CI: make test SLOW=
SLOW ?= -m "not slow"
# Tests run side by side, one thread each: make test JOBS=1 for one after the other.
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
SIDE_BY_SIDE := -n $(JOBS) --dist worksteal --benchmark-disable
# nvcc takes minutes: here it builds for the GPU of this machine, and nothing where there is none
# (`pip install .` builds for every GPU wherever nvcc is found).
CUDA ?= $(if $(wildcard /dev/nvidia0),-C cmake.define.CMAKE_CUDA_ARCHITECTURES=native,-C cmake.define.DSPCORE_CUDA=OFF)
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install -qq --constraint constraints.txt
SOURCES := $(shell find csrc bindings cmake -type f -not -name '.*')
# An editable install knows its modules by name: a new one asks for another install.
NAMES := $(VENV)/.names-$(shell find dspcore plugins -name '*.py' | LC_ALL=C sort | cksum | cut -d' ' -f1)

.PHONY: help setup peers demo test bench lint docs clean

help:
	@echo "make demo   hide settings of a chain, find them again, write demo/result/report.html"
	@echo "make test   run the tests"
	@echo "make bench  measure against other libraries, write bench/RESULTS.md"
	@echo "make lint   check style and types"
	@echo "make docs   write the tables in docs/ again, from the declarations"
	@echo "make clean  remove everything that make made"

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "dspcore needs Python 3.11 or newer: no python3 found" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "dspcore needs Python 3.11 or newer, got $$("$(PYTHON)" --version); name one: make PYTHON=python3.12" >&2; exit 1; }
	"$(PYTHON)" -m venv $(VENV)

# The build tools come first and pinned, so that building the package pulls nothing of its own (pesq builds with NumPy and Cython).
$(VENV)/.tools: constraints.txt pyproject.toml | $(BIN)/python
	@echo "installing the build tools and torch (a minute the first time)"
	@$(PIP) setuptools scikit-build-core pybind11 cmake ninja numpy cython torch
	@touch $@

$(NAMES): | $(BIN)/python
	@rm -f $(VENV)/.names-*
	@touch $@

$(VENV)/.built: $(VENV)/.tools $(NAMES) pyproject.toml constraints.txt CMakeLists.txt $(SOURCES)
	@echo "building dspcore"
	@$(PIP) --no-build-isolation -C cmake.define.DSPCORE_EMULATE_CUDA=ON $(CUDA) --editable '.[dev]'
	@touch $@

# A peer that does not install is named here and again in the table; it never stops the others.
$(VENV)/.peers: bench/peers.txt constraints.txt | $(VENV)/.tools
	@grep -v '^#' bench/peers.txt | while read -r peer; do \
	  echo "installing $$peer to measure against"; \
	  $(PIP) --no-build-isolation "$$peer" || echo "$$peer did not install: the table will say so" >&2; \
	done
	@touch $@

setup: $(VENV)/.built

peers: $(VENV)/.peers

demo: setup
	$(BIN)/dspcore demo --out demo/

test: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(SIDE_BY_SIDE) $(SLOW) $(ARGS)

bench: setup peers
	$(BIN)/dspcore bench --peers --out bench/ $(ARGS)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --ignore-missing-imports -p bench

docs: setup
	$(BIN)/python -m docs

clean:
	rm -rf $(VENV) build dist demo .benchmarks .hypothesis .mypy_cache .pytest_cache .ruff_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
