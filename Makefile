# Two commands do everything on a fresh machine: make demo, make test.

PYTHON ?= python3
BIN := .venv/bin
WORKERS ?= auto

.PHONY: env demo test slow gpu docs types spelling coverage clean

env: .venv/ready

.venv/ready: requirements.txt pyproject.toml setup.py
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -r requirements.txt
	$(BIN)/python -m pip install --quiet --editable ".[peers,docs,examples,dev]"
	touch $@

# Trains small models on molecules made offline; prints a table.
demo: env
	$(BIN)/python -m launch.demo

test: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup \
	  --max-worker-restart=0

slow: env
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup \
	  --max-worker-restart=0 -m slow

# What an accelerator computes, against the CPU.
gpu: env
	$(BIN)/python -m pytest -m gpu

# The pages of docs/ as a site in build/site, without a network.
docs: env
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

types: env
	$(BIN)/python -m mypy

spelling: env
	$(BIN)/codespell

# Which lines the tests run: a table, and build/coverage/index.html.
coverage: env
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup \
	  --max-worker-restart=0 --cov \
	  --cov-report=term:skip-covered --cov-report=html:build/coverage

clean:
	rm -rf .venv runs build dist *.egg-info
