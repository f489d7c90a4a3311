# Two commands are enough on a fresh machine: `make benchmark` and `make test`. docs/gpu.md has the variables.
# that of an environment which is there, so that it stays the same
PYTHON ?= $(firstword $(wildcard .venv/bin/python) python3)
BIN := .venv/bin
CHOOSER := $(PYTHON) compare/wheels.py
# what the user names of the machine and of the frameworks' indexes: then the choice of wheels is made anew
NAMED := $(strip $(if $(CARD),--card "$(CARD)") $(if $(DRIVER),--driver "$(DRIVER)") \
	$(if $(TORCH_INDEX),--torch-index "$(TORCH_INDEX)") $(if $(PADDLE_INDEX),--paddle-index "$(PADDLE_INDEX)"))
# cpu: both frameworks in .venv; gpu: Paddle apart, in .venv-paddle; torch: PyTorch alone, for the GPU
ifeq ($(origin EXTRA),undefined)
EXTRA := $(if $(NAMED),gpu,$(if $(shell command -v nvidia-smi 2>/dev/null),$(shell $(CHOOSER) kind),cpu))
$(if $(EXTRA),,$(error PYTHON: expected Python 3.10 or newer, received '$(PYTHON)'))
endif
INSTALLED_cpu := .venv/.installed-cpu
INSTALLED_torch := .venv/.installed-gpu
INSTALLED_gpu := .venv/.installed-gpu .venv-paddle/.installed
INSTALLED := $(or $(INSTALLED_$(EXTRA)),$(error EXTRA: expected cpu, gpu or torch, received '$(EXTRA)'))
# without a network: from a folder that `make wheels` filled, and from none that pip's own configuration names
ALONE = $(if $(WHEELS),PIP_CONFIG_FILE=/dev/null)
PIP_INSTALL = $(strip $(ALONE) $(@D)/bin/pip install $(if $(WHEELS),--no-index --find-links "$(WHEELS)"))

ifeq ($(EXTRA),gpu)
export GREEDYHASH_PADDLE_PYTHON ?= $(CURDIR)/.venv-paddle/bin/python
endif

.PHONY: benchmark doctor test test-slow wheels FORCE

benchmark: $(INSTALLED)  ## the comparison table; pass options with ARGS="--preset cpu ..."
	$(BIN)/python compare/benchmark.py $(ARGS)

doctor: $(INSTALLED)  ## whether this machine is ready for it, and how long it takes
	$(BIN)/python compare/doctor.py $(ARGS)

test: $(INSTALLED)  ## every test but the slow ones
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pytest -n 2 --dist loadfile $(ARGS)

test-slow: $(INSTALLED)  ## the long tests alone
	$(BIN)/pytest -m slow $(ARGS)

wheels:  ## a folder for a machine without a network, which then installs with WHEELS=DIR
	$(PYTHON) -m venv --clear .venv-wheels
	.venv-wheels/bin/pip install --upgrade pip
	.venv-wheels/bin/python compare/wheels.py fill --kind $(EXTRA) --wheels "$(or $(WHEELS),wheels)" $(NAMED)

.venv/.installed-cpu: CONTENT := --constraint constraints.txt --editable ".[cpu,dev]"
.venv/.installed-gpu: CONTENT := --constraint .venv/constraints.txt --editable ".[torch,dev]"
.venv/.installed-gpu: FRAMEWORK := torch
.venv/.installed-gpu: CHOSEN := torch torchvision
.venv-paddle/.installed: CONTENT := --editable ".[paddle-gpu]"
.venv-paddle/.installed: FRAMEWORK := paddle
.venv-paddle/.installed: CHOSEN := paddlepaddle-gpu
# before anything is downloaded, and for all environments at once, whether there are wheels for this machine
CHOICE = $(strip $(CHOOSER) choose --kind $(EXTRA) $(NAMED) $(if $(WHEELS),--wheels "$(WHEELS)") \
	$(if $(FRAMEWORK),--framework $(FRAMEWORK)) --into $(@D))
$(INSTALLED_gpu): compare/installation/table.py

# the file that says what is installed goes first: an installation that is cut off is begun again. pip would keep a
# framework of the same version from another index, so other wheels than those that are installed replace them
$(INSTALLED): pyproject.toml constraints.txt $(if $(NAMED),FORCE)
	$(CHOICE)
	test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	$(if $(CHOSEN),cmp -s $(@D)/wheels.txt $@ || { rm -f $@ && $(@D)/bin/pip uninstall --yes $(CHOSEN); })
	rm -f $(@D)/.installed*
	$(PIP_INSTALL) --upgrade pip
	$(if $(FRAMEWORK),$(PIP_INSTALL) --requirement $(@D)/wheels.txt)
	$(PIP_INSTALL) $(CONTENT)
	$(if $(filter paddle,$(FRAMEWORK)),$(CHOOSER) link --into $(@D))
	$(if $(FRAMEWORK),cp $(@D)/wheels.txt,touch) $@
