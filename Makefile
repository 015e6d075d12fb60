# make demo   set everything up and run the main job on real data (UV_TORCH_BACKEND=cpu make demo: on Linux, without CUDA)
# make test   set everything up and check everything: format, lint, types, tests
# make quick  the same without the slow tests
# make fuzz   set everything up and give every reader damaged inputs for SIBYL_FUZZ_SECONDS (ten minutes) together
# make docs   set everything up and build the documentation as a site in build/site, which needs no network
VENV ?= .venv
PYTHON ?= python3
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)

.PHONY: demo docs test quick fuzz clean

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet uv
	$(VENV)/bin/uv pip install --quiet --python $(VENV)/bin/python --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: $(VENV)/.ready
	$(VENV)/bin/sibyl demo

docs: $(VENV)/.ready
	$(VENV)/bin/uv pip install --quiet --python $(VENV)/bin/python --constraint constraints.txt --editable '.[docs]'
	$(VENV)/bin/python docs/build_site.py build/site

# What takes longest is named at the end, after the time of the whole.
PYTEST = OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest --durations=20 --durations-min=2

test: $(VENV)/.ready
	$(VENV)/bin/ruff check src tests runs benchmarks
	$(VENV)/bin/ruff format --check src tests runs benchmarks
	$(VENV)/bin/mypy
	$(PYTEST) --numprocesses 2 --dist worksteal

quick: $(VENV)/.ready
	$(PYTEST) --numprocesses 2 --dist worksteal -m 'not slow'

fuzz: $(VENV)/.ready
	SIBYL_FUZZ_SECONDS=$${SIBYL_FUZZ_SECONDS:-600} $(PYTEST) tests/fuzz

clean:
	rm -rf $(VENV) demo dist build
