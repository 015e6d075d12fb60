# make demo   set everything up and run the main job on real data
# make test   set everything up and check everything: format, lint, types, tests
# make docs   set everything up and write the API reference to build/api, from the docstrings
VENV ?= .venv
PYTHON ?= python3
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)

.PHONY: demo docs test clean

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet uv
	$(VENV)/bin/uv pip install --quiet --python $(VENV)/bin/python --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: $(VENV)/.ready
	$(VENV)/bin/sibyl demo

docs: $(VENV)/.ready
	$(VENV)/bin/uv pip install --quiet --python $(VENV)/bin/python --constraint constraints.txt --editable '.[docs]'
	$(VENV)/bin/python docs/api_reference.py build/api

test: $(VENV)/.ready
	$(VENV)/bin/ruff check src tests runs benchmarks
	$(VENV)/bin/ruff format --check src tests runs benchmarks
	$(VENV)/bin/mypy
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest --numprocesses 2

clean:
	rm -rf $(VENV) demo dist build
