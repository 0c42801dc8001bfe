PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := nas search_spaces predictors hardware results
# What sums in floating point, and what is asserted of its outcome. The other tests load no torch, or read files, run
# commands and talk to clusters, all of which are the same on any processor; `test-avx2` leaves them out.
TORCH_TESTS := tests/search_spaces/elastic tests/nas/training --ignore tests/nas/training/distributed \
	tests/nas/compression tests/nas/export tests/nas/tasks tests/nas/jobs/stages/test_finetune.py
# One compute thread per process: two multi-threaded processes on two cores collapse instead of sharing.
export OMP_NUM_THREADS ?= 1
# Two such processes share the tests, file by file; those on Ray, whose cluster is one, are all of one process.
PYTEST := $(BIN)/pytest --numprocesses 2 --dist loadgroup --no-loadscope-reorder

USABLE := from hardware.usable_cpus import *; print(min(2, count_usable_threads(read_usable_cpus())))

.PHONY: demo install develop check test test-avx2 test-arithmetics clean

demo: install  ## train, profile, fit, search and export on scikit-learn's digits
	OMP_NUM_THREADS=2 $(BIN)/nas run examples/digits.yaml --workers $$($(BIN)/python -c '$(USABLE)')

install: $(VENV)/.installed  ## the program and what it needs

develop: $(VENV)/.developing  ## the same, with all extras of the tests and the tools of the checks

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -c constraints.txt -e ".[engine]"
	touch $@

$(VENV)/.developing: $(VENV)/.installed
	$(BIN)/pip install --quiet -c constraints.txt -e ".[agemoea,datasets,openvino,text,ray,postgresql,dev]"
	touch $@

check: develop  ## lint, format, types and import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy benchmarks/*.py
	$(BIN)/lint-imports

test: develop  ## the whole test suite
	$(PYTEST)

AVX2 := ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2
PLAIN := ATEN_CPU_CAPABILITY=default

test-avx2: develop  ## what computes with torch, as a processor without AVX-512 computes it
	$(AVX2) $(PYTEST) $(TORCH_TESTS)

test-arithmetics: test  ## the whole test suite in three arithmetics, in which every training has another outcome
	$(AVX2) $(PYTEST)
	$(PLAIN) $(PYTEST)

clean:  ## what the other targets made, but not runs/
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
