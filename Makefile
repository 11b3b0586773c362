# make demo: stylize a photo with the packaged weights, in seconds.
# make smoke: train a small model from scratch in two minutes, and stylize with it.
# make weights DATA=DIR: train the packaged weights; continues after an interruption.
# make site: build the page into styleflax/web/built, for wheels and `styleflax site`.
# make test: all checks and the default tests.
# make docs: build the documentation site in build/site; any warning is an error.
# make canary PYTHON=python3.12 VENV=build/canary: compare compiled programs with the same
#   operations one by one, by the newest JAX for that Python, and try the GPU scripts.
# Each target creates .venv and installs its dependencies; EXTRAS=cuda13 adds an extra.

OUT ?= $(if $(filter weights,$(MAKECMDGOALS)),runs/weights,demo)
# Images for make weights, in the folders content and style of DATA.
DATA ?=
CONTENT ?= image_folder:$(DATA)/content
STYLE ?= image_folder:$(DATA)/style+procedural_art
# More flags for training: for every training, and for each of the three of make weights.
FLAGS ?=
ADAIN_FLAGS ?=
ADAIN_LAST_FLAGS ?=
SANET_FLAGS ?=
EXTRAS ?=
# make test COVER=1 measures branch coverage, too, as .ci/run does.
COVER ?=
VENV := .venv
BIN := $(VENV)/bin
CHECK := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c '$(CHECK)' >/dev/null 2>&1 && echo $$p && break; done)

INSTALLED := $(VENV)/.installed$(addprefix -,$(EXTRAS))

# Memory in large pages: XLA takes hundreds of megabytes anew for every step (glibc).
export GLIBC_TUNABLES ?= glibc.malloc.hugetlb=1
# Modules are compiled once, not by each of the many processes of the tests.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo smoke weights site check-data test fast lint pytest slow canary docs clean
.DELETE_ON_ERROR:

demo: $(INSTALLED)
	$(BIN)/styleflax demo -o "$(OUT)"

smoke: $(INSTALLED)
	$(BIN)/styleflax train --config=smoke --workdir="$(OUT)/run" $(FLAGS)
	$(BIN)/styleflax weights export "$(OUT)/run" --complete -o "$(OUT)/smoke.safetensors"
	$(BIN)/styleflax demo --weights "$(OUT)/smoke.safetensors" --weights adain -o "$(OUT)"

# A model file stands for its finished stage: its name, its configuration, more flags.
# A training that SIGTERM stopped ends well, too (Ctrl-C ends it with 130); --complete keeps
# its half from being exported.
define stage
test -f "$(OUT)/$(1).safetensors" || { \
	$(BIN)/styleflax train --config=$(2) --workdir="$(OUT)/$(1)" \
	--config.data.content="$(CONTENT)" --config.data.style="$(STYLE)" $(3) $(FLAGS) && \
	$(BIN)/styleflax weights export "$(OUT)/$(1)" --complete -o "$(OUT)/$(1).safetensors"; }
endef

# AdaIN is the mean of its weights after phase 4 and after phase 5, which goes on from there.
weights: check-data $(INSTALLED)
	$(call stage,adain-4,adain:1-4,$(ADAIN_FLAGS))
	$(call stage,adain-5,adain:5,--config.init_from="$(OUT)/adain-4.safetensors" $(ADAIN_LAST_FLAGS))
	test -f "$(OUT)/adain.safetensors" || $(BIN)/styleflax weights average \
	"$(OUT)/adain-4.safetensors" "$(OUT)/adain-5.safetensors" -o "$(OUT)/adain.safetensors"
	$(call stage,sanet,sanet,--config.init_from="$(OUT)/adain.safetensors" $(SANET_FLAGS))
	$(BIN)/styleflax weights verify "$(OUT)/adain.safetensors" "$(OUT)/sanet.safetensors"

site: $(VENV)/.installed-export
	@command -v npm >/dev/null || { echo "make site needs node and npm: install them \
	(on Debian: apt install nodejs npm)" >&2; exit 2; }
	cd styleflax/web/npm && npm ci --ignore-scripts --no-audit --no-fund
	$(BIN)/python -m styleflax.web.build

$(VENV)/.installed-export: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install -q -e ".[export]"
	@touch $@

check-data:
	@test -d "$(DATA)/content" && test -d "$(DATA)/style" || { echo "make weights \
	DATA=DIR: a folder with photos in content and paintings in style" >&2; exit 2; }

test: lint pytest

lint: $(VENV)/.installed-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

pytest: $(VENV)/.installed-test
	$(BIN)/python -m pytest -q -n 2 --dist worksteal -m "not slow" $(if $(COVER),--cov --cov-report=term:skip-covered --cov-fail-under=90)

# Under a minute, once its programs are cached: formulas, records, options and checks.
fast: $(VENV)/.installed-test
	$(BIN)/python -m pytest -q -n 2 --dist worksteal -m "not slow" tests/ops tests/losses \
	tests/test_config.py tests/test_layout.py tests/inference/test_controls.py \
	tests/methods/test_method_base.py tests/cli/test_control_flags.py tests/cli/test_train.py

slow: $(VENV)/.installed-test
	$(BIN)/python -m pytest -q -n 2 --dist worksteal -m slow

canary: $(VENV)/.installed-test
	$(BIN)/styleflax doctor --check
	$(BIN)/python -m pytest -q -n 2 --dist worksteal tests/cli/test_self_check.py \
	tests/compile_cache tests/benchmarks/test_accelerator.py \
	tests/benchmarks/test_accelerator_train.py tests/benchmarks/test_lowered.py

docs: $(VENV)/.installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

$(VENV)/bin/python:
	@test -n "$(PYTHON)" && $(PYTHON) -c '$(CHECK)' || { echo "styleflax needs \
	Python 3.11, 3.12 or 3.13: install one (on Debian: apt install python3.11 \
	python3.11-venv), or name it: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(INSTALLED): pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install -q -e ".$(if $(EXTRAS),[$(EXTRAS)])"
	@touch $@

$(VENV)/.installed-test: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install -q -e ".[test]"
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-docs: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install -q -e ".[docs]"
	@touch $@

clean:
	rm -rf $(VENV) $(OUT)
