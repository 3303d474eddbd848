"""What a pool's holder writes of its jobs, and whom that concerns."""

import pytest

from actors.fleet.observations import Failed, JobClass, JobsSeen, QueueSeen, ScheddSeen, Shape
from actors.store.readings import DemandRows, demand_of, demand_places
from broker.connection.address import Site
from broker.posts.leases import Leases, Term
from broker.rows.table import Table

POOL, QUEUES = "pool/local", ("atlas", "belle")


class Holder:
    """A host that takes the pool's post from whoever had it."""

    def __init__(self, site: Site) -> None:
        term = Leases(site.client(), site, "test#1", 60).acquire(POOL)
        assert isinstance(term, Term)
        self.term, self.rows = term, DemandRows(Table(site.client(), site), "local")

    def reads(self, atlas: int, error: str = "") -> tuple[str, ...]:
        """The queues that this concerns."""
        one = JobClass(queue="atlas", request=Shape(cpus=1), idle=atlas)
        seen = JobsSeen(source=POOL, at=100.0, classes=(one,), schedds=(ScheddSeen(name="s", error=error),))
        return self.rows.write(self.term, seen, QUEUES)

    def fails(self) -> None:
        self.rows.write(self.term, Failed(source=POOL, at=101.0, reason="timed out"), QUEUES)


def test_the_first_reading_concerns_all_and_the_next_those_whose_jobs_changed(site: Site) -> None:
    holder = Holder(site)
    assert [holder.reads(1), holder.reads(1), holder.reads(2)] == [QUEUES, (), ("atlas",)]


def test_a_takeover_concerns_nobody_whose_jobs_are_as_they_were(site: Site) -> None:
    Holder(site).reads(1)
    assert Holder(site).reads(1) == ()
    assert Holder(site).reads(2) == ("atlas",)


@pytest.mark.parametrize(("last", "failed"), [("", False), ("no answer", True)])
def test_the_next_holder_knows_whether_the_last_reading_missed_a_schedd(site: Site, last: str, failed: bool) -> None:
    assert not Holder(site).rows.failed
    Holder(site).reads(1, error=last)
    assert Holder(site).rows.failed is failed


def test_the_next_holder_knows_that_the_last_reading_failed_until_one_is_good(site: Site) -> None:
    before = Holder(site)
    before.reads(1)
    before.fails()
    after = Holder(site)
    assert after.rows.failed
    after.reads(1)
    assert not after.rows.failed


def test_what_was_said_of_one_queue_stays_with_it_and_spoils_no_other(site: Site) -> None:
    holder, table = Holder(site), Table(site.client(), site)
    classes = tuple(JobClass(queue=queue, request=Shape(cpus=1), idle=3) for queue in QUEUES)
    said = (QueueSeen(queue="atlas", status="test"), QueueSeen(queue="belle", unread="idle is -4"))
    seen = JobsSeen(source=POOL, at=100.0, classes=classes, schedds=(ScheddSeen(name="s"),), queues=said)
    holder.rows.write(holder.term, seen, QUEUES)
    atlas, belle = (demand_of(table, "local", table.get_at_once(demand_places("local", queue))) for queue in QUEUES)
    assert isinstance(atlas, JobsSeen)
    assert (atlas.of("atlas").status, sum(one.idle for one in atlas.classes)) == ("test", 3)
    assert isinstance(belle, Failed)
    assert (belle.reason, belle.at) == ("idle is -4", 100.0)
