# Everything a developer types; `make` alone lists it. Each target first installs what it
# still needs into .venv, and remembers that in .make so that the next run starts at once.
#
#   PYTHON=/path/to/python3.12   the Python to build .venv from (3.11 or newer)
#   TORCH=torch==2.13.0          another version of torch, or the path of a wheel
#   EXTRAS=rtx                   more of pyproject.toml's extras for the tests
#   WORKERS=4                    how many processes run the tests
# pip's own settings count as always: PIP_INDEX_URL, PIP_EXTRA_INDEX_URL, pip.conf.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo test lint types docs bench lock clean distclean

# A copied or moved folder installs anew: an editable install remembers its path.
STAMPS := .make/$(firstword $(shell pwd | cksum))
PY := .venv/bin/python
LOCK := requirements/lock.txt
TORCH ?=
EXTRAS ?=
WORKERS ?= 2
PYTHON310 ?= python3.10
comma := ,
TESTED := $(STAMPS)/test$(addprefix -,$(EXTRAS))

# A PYTHONPATH (ROS sets one) would put other versions in front of the pinned ones.
unexport PYTHONPATH PYTHONHOME
export PIP_USER := 0
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# Stamps of a deleted .venv, or of one whose Python is gone, say nothing.
ifeq ($(wildcard $(PY)),)
$(shell rm -rf .make)
endif

# What a broken-off installation leaves: a package without its INSTALLER file is not complete,
# though pip takes it for that, and ~NAME is an old version that was being replaced.
define forget_unfinished
	@for info in .venv/lib/python*/site-packages/*.dist-info; do \
	    [ -e "$$info/INSTALLER" ] || rm -rf "$$info"; \
	done; rm -rf .venv/lib/python*/site-packages/~*
endef

# $(call install,REQUIREMENTS)
define install
	$(forget_unfinished)
	@echo "installing for 'make $(@F)' ..."
	@[ -t 1 ] || quiet=--quiet; PYTHONWARNINGS=ignore $(PY) -m pip install $$quiet \
	    --no-build-isolation --constraint $(if $(TORCH),.make/constraints.txt,$(LOCK)) $(1)
	@touch $@
endef

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(STAMPS)/demo ## the main job: real networks, photos and a video; makes out/demo.html
	@$(PY) demos/demo.py

test: lint types $(TESTED) ## lint, types and all tests
	@OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE $(PY) -m pytest -n $(WORKERS) --dist loadscope --cov

lint: $(STAMPS)/lint ## ruff: faults and format
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .

# mypy cannot follow an editable install's mapping of folders: it reads an installed copy.
types: $(TESTED) ## mypy --strict
	@rm -rf build/types build/lib build/bdist.*
	@PYTHONWARNINGS=ignore $(PY) -m pip install --quiet --no-deps --no-build-isolation \
	    --target build/types .
	@MYPYPATH=build/types $(PY) -m mypy -p edgecnn

docs: $(TESTED) ## what the documents name exists and works
	@$(PY) -m pytest tests/test_docs.py

bench: $(STAMPS)/demo ## every figure the documents quote
	@set -e; for script in $(filter-out benchmarks/make_%,$(wildcard benchmarks/*.py)); do \
	    echo "== $$script"; $(PY) $$script; \
	done

lock: $(STAMPS)/venv ## add to requirements/lock.txt what pyproject.toml asks; UPGRADE=1 renews all
	@$(PY) .ci/lock.py --python310 $(PYTHON310) $(if $(UPGRADE),--upgrade) $(if $(TORCH),--torch "$(TORCH)")

clean: ## remove what the other targets made, but for .venv
	rm -rf build dist out htmlcov *.egg-info .coverage .coverage.* \
	    .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name .venv -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## remove .venv too
	rm -rf .venv .make

$(STAMPS)/venv:
	@if $(PY) -m pip --version >/dev/null 2>&1; then \
	    PYTHON=$(PY) sh .ci/preflight.sh >/dev/null; \
	else \
	    python=$$(sh .ci/preflight.sh) && echo "creating .venv ..." && "$$python" -m venv --clear .venv; \
	fi
	$(forget_unfinished)
	@$(PY) -m pip install --quiet --constraint $(LOCK) pip setuptools
	@mkdir -p $(@D) && touch $@

.make/constraints.txt: $(LOCK) | $(STAMPS)/venv
	@grep -v '^torch==' $(LOCK) > $@

$(STAMPS)/lint: $(LOCK) $(STAMPS)/venv
	$(call install,ruff)

$(STAMPS)/demo: pyproject.toml $(LOCK) $(STAMPS)/venv $(if $(TORCH),.make/constraints.txt)
	$(call install,-e ".[cpu$(comma)openvino$(comma)train$(comma)report]" $(if $(TORCH),"$(TORCH)"))

$(TESTED): pyproject.toml $(LOCK) $(STAMPS)/demo
	$(call install,-e ".[test$(comma)lint$(addprefix $(comma),$(EXTRAS))]")
