"""The rows of one cloud as its holder keeps them."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from actors.fleet.adoption import orphans
from actors.fleet.observations import Instance, Listed
from actors.fleet.vm import Intent, Launch, State
from broker.connection.address import Site
from tests.actors.stage import Stage


@pytest.fixture
def stage(site: Site) -> Iterator[Stage]:
    made = Stage(site)
    yield made
    made.close()


def test_an_instance_that_was_adopted_and_ended_and_runs_again_is_adopted_again(stage: Stage) -> None:
    registry = stage.registry
    listed = Listed(source="cloud/private", at=stage.now, instances=(Instance(id="i-1", state="running"),))
    registry.adopt(stage.term, orphans([], listed, "private", 0.0))
    (adopted,) = registry.vms()
    registry.change(stage.term, [(adopted, replace(adopted, state=State.ENDED))])
    later = replace(listed, at=stage.now + 3_000)
    registry.adopt(stage.term, orphans(registry.vms(), later, "private", 0.0))
    assert [(vm.id, vm.state) for vm in registry.vms()] == [("adopted-i-1", State.BOOTING)]


def test_adopting_again_leaves_a_living_row_as_it_is(stage: Stage) -> None:
    registry = stage.registry
    listed = Listed(source="cloud/private", at=stage.now, instances=(Instance(id="i-1", state="running"),))
    found = orphans([], listed, "private", 0.0)
    registry.adopt(stage.term, found)
    (adopted,) = registry.vms()
    ready = replace(adopted, state=State.READY)
    registry.change(stage.term, [(adopted, ready)])
    registry.adopt(stage.term, found)
    assert registry.vms() == [ready]


def test_an_answer_to_a_launch_whose_rows_were_lost_writes_nothing(stage: Stage) -> None:
    lost = Intent(id="x", cloud="private", queue="atlas", count=1, token="t", request="{}", written=stage.now)
    stage.registry.change(stage.term, [], [replace(lost, state=Launch.SENT, tries=1)])
    assert stage.registry.intents() == []


def test_as_many_as_ten_thousand_vms_are_adopted_and_changed_in_pieces(stage: Stage) -> None:
    """More rows than one call to Redis takes, and with a line of history each."""
    registry, many = stage.registry, 10_001
    instances = tuple(Instance(id=f"i-{n}", state="running", intent=f"x{n}", index=0) for n in range(many))
    listed = Listed(source="cloud/private", at=stage.now, instances=instances)
    with capture_logs() as logs:
        registry.adopt(stage.term, orphans([], listed, "private", 0.0))
        pairs = [(vm, replace(vm, state=State.READY, reason="joined")) for vm in registry.vms()[:2_100]]
        assert len(registry.change(stage.term, pairs)) == len(pairs)
    assert Counter(vm.state for vm in registry.vms()) == {State.READY: len(pairs), State.BOOTING: many - len(pairs)}
    assert len(stage.table.read("vm", "cloud/private")) == many
    assert len(logs) == many + len(pairs)
