# Two commands are the whole set-up: `make run` and `make test`.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
PEERS := .bench
WITH_PYTHON := $(shell command -v $(PYTHON) 2>/dev/null || command -v python3)

.PHONY: run test unit lint models record evaluate bench peers clean

run: $(VENV)/run.done ## the application on its embedded defaults
	$(BIN)/python app.py

test: $(VENV)/dev.done chromium lint ## linters, then every test
	$(BIN)/python -m pytest

unit: $(VENV)/dev.done ## the quick tests: no weights, no browser
	$(BIN)/python -m pytest -m "not integration and not browser"

lint: $(VENV)/dev.done
	$(BIN)/ruff check .
	$(BIN)/mypy

models: $(VENV)/run.done ## fetch every default model into LEPTON_HOME
	$(BIN)/python -m lepton_engine models pull --default

record: $(VENV)/run.done ## the finished example of each tab, from a real run
	$(BIN)/python -m domains.record

evaluate: $(VENV)/dev.done ## all adapters on what they have not seen, original and compressed
	$(BIN)/python -m benchmarks.adapters
	$(BIN)/python -m benchmarks.readme --write

bench: $(VENV)/dev.done $(PEERS)/done ## the tables of the README; benchmarks/__main__.py says how long
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.readme --write

peers: $(PEERS)/done ## what the benchmarks compare with, in an environment of its own

$(VENV)/bin/python:
	$(WITH_PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/run.done: requirements.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet -r requirements.txt
	@touch $@

$(VENV)/dev.done: requirements.txt requirements-dev.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet -r requirements-dev.txt
	@touch $@ $(VENV)/run.done

$(PEERS)/done: benchmarks/requirements-peers.txt
	$(WITH_PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --upgrade pip
	$(PEERS)/bin/python -m pip install --quiet -r benchmarks/requirements-peers.txt
	@touch $@

# The browser tests are skipped, with that reason, where there is no Chromium.
.PHONY: chromium
chromium:
	@command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 \
	|| echo "No Chromium found: the browser tests will be skipped (Debian: apt-get install chromium)"

clean:
	rm -rf $(VENV) $(PEERS) .mypy_cache .ruff_cache .pytest_cache
