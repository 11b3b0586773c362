# make demo: a stylized picture from nothing.  make test: every check.
# Both create .venv and install into it what they need.

OUT ?= demo
VENV := .venv
BIN := $(VENV)/bin
CHECK := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c '$(CHECK)' >/dev/null 2>&1 && echo $$p && break; done)

.PHONY: demo test lint pytest slow clean
.DELETE_ON_ERROR:

demo: $(VENV)/.installed
	$(BIN)/styleflax train --config=smoke --workdir=$(OUT)/run
	$(BIN)/styleflax weights export $(OUT)/run -o $(OUT)/smoke.safetensors
	$(BIN)/styleflax demo --weights $(OUT)/smoke.safetensors --weights adain -o $(OUT)

test: lint pytest

lint: $(VENV)/.installed-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

pytest: $(VENV)/.installed-test
	$(BIN)/python -m pytest -q -n 2 -m "not slow" --cov --cov-report=term:skip-covered --cov-fail-under=90

slow: $(VENV)/.installed-test
	$(BIN)/python -m pytest -q -m slow

$(VENV)/bin/python:
	@test -n "$(PYTHON)" && $(PYTHON) -c '$(CHECK)' || { echo "styleflax needs \
	Python 3.11, 3.12 or 3.13: install one (on Debian: apt install python3.11 \
	python3.11-venv), or name it: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install -q -e .
	@touch $@

$(VENV)/.installed-test: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install -q -e ".[test]"
	@touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) $(OUT)
