"""What an operator drains: its jobs end in peace, and another is bought only where a want asks that knows of it."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from actors.fleet.wish import Wish
from actors.store.views import read_views
from actors.store.wants import accept, read_wants, want_row
from broker.connection.address import Site
from tests.actors.retirement.retirement_stage import BUSY, RetirementStage


@pytest.fixture
def stage(site: Site) -> Iterator[RetirementStage]:
    made = RetirementStage(site)
    yield made
    made.close()


@pytest.fixture
def drained(stage: RetirementStage) -> RetirementStage:
    """A busy VM whose drain an operator asked for, and its queue's want that counts it still."""
    (vm,) = stage.started(1, BUSY)
    at = stage.now
    wish = Wish(id="w-1", verb="drain", selector="vm", names=(vm.id,), reason="why", by="ada", at=at, ends=at + 9_999)
    accept(stage.table, wish)
    stage.step()
    assert stage.states() == ["draining"]
    return stage


def decided_anew(stage: RetirementStage) -> None:
    """The queue still wants one, and knows what the view of its cloud says."""
    _, views = read_views(stage.table, "private")
    want = read_wants(stage.table, "atlas")["private"]
    stage.table.write(stage._hold("queue/atlas"), [want_row(replace(want, heard=views["atlas"].left_at))])


def test_nothing_is_bought_for_it_while_its_queues_want_counts_it_still(drained: RetirementStage) -> None:
    for _ in range(3):
        drained.look()
        drained.step()
    assert drained.cloud.launches == 1


def test_another_is_bought_as_soon_as_a_want_asks_that_knows_of_it(drained: RetirementStage) -> None:
    decided_anew(drained)
    drained.step()
    drained.look()
    assert drained.cloud.launches == 2
