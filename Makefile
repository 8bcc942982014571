# make demo: the whole way from images to Lava and a report.   make test: the tests.   make docs: the site, in site/.
# Each makes what it needs.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
# Four processes, each with whole files: the cases of a file share what its fixtures make, and many wait for other programs.
IN_PARALLEL := --numprocesses 4 --dist loadfile

# Tests start hundreds of Python programs; without kept bytecode each compiles the package anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup demo test test-all docs package-check fresh-check beside-check lint clean

setup: .venv/made
	@$(BIN)/spikeport lava install

demo: setup
	$(BIN)/spikeport demo --out demo

test: setup
	$(BIN)/python -m pytest $(IN_PARALLEL)

test-all: setup
	SPIKEPORT_READ_APART=1 SPIKEPORT_EXAMPLES=$${SPIKEPORT_EXAMPLES:-100} $(BIN)/python -m pytest $(IN_PARALLEL) -m "slow or not slow"

package-check: .venv/made
	$(BIN)/python tests/package/check.py

fresh-check: .venv/made
	$(BIN)/python tests/package/fresh.py

# Needs a registry of packages; with BESIDE=--install it takes gigabytes.
beside-check: .venv/made
	$(BIN)/python tests/package/beside.py $(BESIDE)

# Strict: a broken link or anchor fails. Tutorials run whole, unless their outputs are kept from before; TUTORIALS=fast
# runs them with few images and epochs, TUTORIALS=skip leaves the outputs out.
docs: .venv/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet
	@echo "wrote site/index.html"

lint: .venv/made
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

LINKS := $(addprefix src/spikeport/,export hardware_profiles toolchain)

# A checkout has these links; an unpacked sdist cannot hold them.
$(LINKS):
	ln -s ../../$(notdir $@) $@

.venv/made: pyproject.toml constraints.txt | $(LINKS)
	@test -n "$(PYTHON)" || { echo "spikeport needs Python 3.11 or newer; set PYTHON to its path" >&2; exit 1; }
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

.venv/docs: .venv/made
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,docs]'
	@touch $@

clean:
	rm -rf .venv demo site .tutorials
