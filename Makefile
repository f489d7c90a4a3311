# Two commands are enough on a fresh machine: `make benchmark` and `make test`.
PYTHON ?= python3
# `make EXTRA=cpu ...`: both frameworks in .venv. `make EXTRA=gpu ...`: paddlepaddle-gpu apart, in .venv-paddle.
EXTRA ?= $(if $(shell nvidia-smi -L 2>/dev/null),gpu,cpu)
# the address of Paddle's own package index for your CUDA version; without it .venv-paddle gets the registry's 2.6.2
PADDLE_INDEX ?=
BIN := .venv/bin
INSTALLED_cpu := .venv/.installed-cpu
INSTALLED_gpu := .venv/.installed-gpu .venv-paddle/.installed$(if $(PADDLE_INDEX),-index)
INSTALLED := $(INSTALLED_$(EXTRA))

ifeq ($(EXTRA),gpu)
export GREEDYHASH_PADDLE_PYTHON ?= $(CURDIR)/.venv-paddle/bin/python
endif

.PHONY: benchmark test test-slow

benchmark: $(INSTALLED)  ## the comparison table; pass options with ARGS="--preset cpu ..."
	$(BIN)/python compare/benchmark.py $(ARGS)

test: $(INSTALLED)  ## every test but the slow ones
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pytest -n 2 --dist loadfile $(ARGS)

test-slow: $(INSTALLED)  ## the long tests alone
	$(BIN)/pytest -m slow $(ARGS)

.venv/.installed-cpu: CONTENT := --constraint constraints.txt --editable ".[cpu,dev]"
.venv/.installed-gpu: CONTENT := --constraint constraints.txt --editable ".[torch,dev]"
.venv-paddle/%: CONTENT := $(if $(PADDLE_INDEX),--extra-index-url $(PADDLE_INDEX)) --editable ".[paddle-gpu]"

$(INSTALLED): pyproject.toml constraints.txt
	test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	$(@D)/bin/pip install --upgrade pip
	$(@D)/bin/pip install $(CONTENT)
	touch $@
