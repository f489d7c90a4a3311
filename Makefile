# Two commands are enough on a fresh machine: `make benchmark` and `make test`.
PYTHON ?= python3
# `make EXTRA=cpu ...` or `make EXTRA=gpu ...` overrides the choice
EXTRA ?= $(if $(shell nvidia-smi -L 2>/dev/null),gpu,cpu)
BIN := .venv/bin
INSTALLED := .venv/.installed-$(EXTRA)

.PHONY: benchmark test test-slow lint

benchmark: $(INSTALLED)  ## the comparison table; pass options with ARGS="--preset cpu ..."
	$(BIN)/python compare/benchmark.py $(ARGS)

test: $(INSTALLED)  ## every test but the slow ones
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pytest -n 2 --dist loadfile $(ARGS)

test-slow: $(INSTALLED)  ## the long tests alone
	$(BIN)/pytest -m slow $(ARGS)

$(INSTALLED): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --upgrade pip
	$(BIN)/pip install $(if $(filter cpu,$(EXTRA)),--constraint constraints.txt) --editable ".[$(EXTRA),dev]"
	touch $@
