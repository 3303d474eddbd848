# make install   .venv with apf in it            make demo    the main job on a real HTCondor pool
# make test      the whole suite                  make bench   speed beside the raw calls
# make lint      ruff, mypy, import contracts     make demo-ha three hosts, one killed, one frozen
# make faults    random faults on many hosts, SEED=n repeats a run
# make campaign  VMS=10000 SEED=n: every kind of fault on a fleet; campaign-guards: each guard switched off in turn
PYTHON ?= python3
BIN := .venv/bin

.PHONY: install lint test demo demo-ha faults campaign campaign-guards bench clean
install: .venv/made

.venv/made: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

# Six at a time: most of a daemon's test is waiting. A test that fails is run up to twice more, and the summary says
# RERUN: a noisy machine can make a daemon late, and a person should see where.
test: install
	$(BIN)/pytest -n 6 --dist load --maxschedchunk 1 --reruns 2 --durations 15

demo: install
	$(BIN)/apf demo

demo-ha: install
	$(BIN)/python -m deploy.lab.demo_ha

faults: install
	$(BIN)/python -m tests.faults $(if $(SEED),--seed $(SEED))

campaign: install
	$(BIN)/python -m tests.world_campaign $(if $(VMS),--vms $(VMS)) $(if $(SEED),--seed $(SEED)) $(ARGS)

campaign-guards: install
	$(BIN)/python -m tests.world_campaign.guards_table

bench: install
	$(BIN)/python -m tests.benchmarks

clean:
	rm -rf .venv .lab
