# make install   .venv with apf in it            make demo    the main job on a real HTCondor pool
# make test      the whole suite                  make bench   speed beside the raw calls
# make lint      ruff, mypy, import contracts     make demo-ha three hosts, one killed, one frozen
# make test-openstack   the cloud of kind openstack against a real Keystone, Placement and Nova
# make faults    random faults on many hosts, SEED=n repeats a run
# make mutants   guards of the code taken away one by one, N at once: do the tests of each place notice? ONLY=broker/leases
# make test-panda  is PanDA read right? Against a real panda-server; PostgreSQL. ARGS=--store keeps its answers for the suite
# make image     does the user-data make a stock Debian a worker? Boots one; root, qemu-system-x86 and debootstrap
# make campaign  VMS=10000 SEED=n: every kind of fault on a fleet; campaign-guards: each guard switched off in turn
PYTHON ?= python3
BIN := .venv/bin

.PHONY: install tools lint test test-page test-panda test-openstack demo demo-ha demo-two-queues faults image campaign campaign-guards mutants bench clean test-dashboards
install: .venv/made

# apf, and what the lab needs: so that the demo waits for no more
.venv/made: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[lab]'
	@touch $@

tools: .venv/tools

.venv/tools: .venv/made
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

lint: tools
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

# Six at a time: most of a daemon's test is waiting. A test that was late ("not within ...") is run up to twice more,
# since a noisy machine can make a daemon late; the summary says RERUN and why. A broken promise is never run again.
test: tools
	$(BIN)/pytest -n 6 --dist load --maxschedchunk 1 --reruns 2 --durations 15 $(ARGS)

# the page in a real browser: needs Debian's chromium and chromium-driver
test-page: tools
	$(BIN)/pip install --quiet 'selenium>=4.25,<5'
	$(BIN)/pytest tests/browser/browse_page.py $(ARGS)

# dashboards and alerts in a real Prometheus: needs Debian's prometheus
test-dashboards: tools
	$(BIN)/pytest tests/deploy/evaluate_dashboards.py $(ARGS)

test-panda: tools
	$(BIN)/python -m tests.panda $(ARGS)

# Keystone, Placement and Nova of their own (a minute to install, 400 MB); what they answer is stored for `make test`
test-openstack: tools
	APF_OPENSTACK=real $(BIN)/pytest tests/actors/clouds/openstack $(ARGS)

demo: install
	$(BIN)/apf demo

demo-ha: install
	$(BIN)/python -m deploy.lab.demo.ha

demo-two-queues: install
	$(BIN)/python -m deploy.lab.demo.two_queues

faults: tools
	$(BIN)/python -m tests.faults $(if $(SEED),--seed $(SEED))

image: tools
	$(BIN)/python -m tests.image

campaign: tools
	$(BIN)/python -m tests.world_campaign $(if $(VMS),--vms $(VMS)) $(if $(SEED),--seed $(SEED)) $(ARGS)

campaign-guards: tools
	$(BIN)/python -m tests.world_campaign.guards_table

mutants: tools
	$(BIN)/python -m tests.mutants $(if $(N),-n $(N)) $(if $(ONLY),--only $(ONLY))

# what the figures stand beside, too
bench: tools
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[bench]'
	$(BIN)/python -m tests.benchmarks

clean:
	rm -rf .venv .lab
