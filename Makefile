# The loop of a contributor: make test, make lint, make demo.

CANDIDATES ?= python3.12 python3.13 python3.14 python3.11 python3
FITS := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(firstword $(foreach p,$(CANDIDATES),$(shell $(p) -c "$(FITS)" >/dev/null 2>&1 && echo $(p))))
RUN := .venv/bin/python

.PHONY: demo test test-all lint clean python

demo: .venv/installed
	$(RUN) -m jnn run image_classification

test: .venv/installed-test
	$(RUN) -m pytest -n auto --dist worksteal --durations 20

test-all: .venv/installed-test
	$(RUN) -m pytest -n auto --dist worksteal --durations 20 -m ""

lint: .venv/installed-test
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m pyright
	.venv/bin/oxlint jnn
	.venv/bin/oxfmt --check 'jnn/**/*.js'

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .ruff_cache .hypothesis .jax_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/installed: pyproject.toml | python
	$(PYTHON) -m venv .venv
	$(RUN) -m pip install --quiet --disable-pip-version-check -e .
	touch $@

.venv/installed-test: pyproject.toml .venv/installed
	$(RUN) -m pip install --quiet --disable-pip-version-check -e ".[test]"
	touch $@

python:
	@test -n "$(PYTHON)" || { echo "jnn needs Python 3.11 or newer, and none of these is one: $(CANDIDATES)." \
	  "Install it (Debian: apt-get install python3 python3-venv; macOS: brew install python) or name it: make PYTHON=/path/to/python demo" >&2; exit 2; }
