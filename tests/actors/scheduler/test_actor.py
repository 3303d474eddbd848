"""Whom the scheduler wakes when a want changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from actors.config.schema import Ahead, Config
from actors.fleet.observations import JobClass, JobsSeen, ScheddSeen
from actors.fleet.shape import Shape
from actors.fleet.want import CloudView, FleetView
from actors.runtime.calls import Calls
from actors.runtime.messages import LookAtDemand
from actors.runtime.metrics import Gauges
from actors.runtime.post_actor import Hold, Tick, Wake
from actors.runtime.post_office import PostOffice
from actors.runtime.services import Services
from actors.runtime.terms import Terms
from actors.scheduler.actor import FIRST_VIEWS_S, Scheduler
from actors.store.readings import DemandRows
from actors.store.views import publish
from actors.store.wants import QueueStanding, read_past, read_standing
from broker.connection.address import Site
from broker.connection.clock import RedisClock
from broker.envelope import Message
from broker.mail.mailboxes import Mailer
from broker.posts.leases import Leases, Term
from broker.rows.table import Table
from tests.actors.stage import CONFIG

QUEUE, CLOUD, POOL = "queue/atlas", "cloud/private", "pool/local"


class Desk:
    """The scheduler of one queue; `woken` are the mailboxes that it wrote to since the last look."""

    def __init__(self, site: Site, config: Config = CONFIG) -> None:
        client = site.client()
        self.table, clock = Table(client, site), RedisClock(client)
        self.now = clock.sync()
        leases = Leases(client, site, "test#1", 600.0)
        self.terms = {post: term for post in (QUEUE, CLOUD, POOL) if isinstance(term := leases.acquire(post), Term)}
        known = Terms()
        for term in self.terms.values():
            known.put(term)
        self.woken: list[str] = []
        self._calls = Calls(2)
        self.mailer = Mailer(site, {}, "test#1", clock)
        office = PostOffice(self.mailer, Gauges(), self._handed_over)
        services = {"terms": known, "calls": self._calls, "gauges": Gauges(), "now": lambda: self.now}
        self._services = Services(config=config, table=self.table, office=office, **services)
        self.actor = Scheduler(self._services)
        self._demand, self._published = DemandRows(self.table, "local"), {}

    def taken_over(self) -> None:
        """By a scheduler that knows nothing but the rows."""
        self.actor = Scheduler(self._services)

    def close(self) -> None:
        self._calls.close()
        self.mailer.close()

    def said(self) -> QueueStanding:
        found = read_standing(self.table, "atlas")
        assert found is not None
        return found

    def _handed_over(self, mailbox: str, message: Message) -> bool:
        self.woken.append(mailbox)
        return True

    def look(self, jobs: int, fleet: FleetView, room: int = 4, unsaid: str = "", later_s: float = 100.0) -> set[str]:
        """With so many waiting jobs and such a fleet; returns who was woken."""
        one = JobClass(queue="atlas", request=Shape(cpus=1), requirements="true", idle=jobs)
        self.now += later_s
        seen = JobsSeen(source=POOL, at=self.now, classes=(one,), schedds=(ScheddSeen(name="s"),))
        self._demand.write(self.terms[POOL], seen, ["atlas"])
        views = [CloudView(cloud="private", at=self.now, room=room, unsaid=unsaid), replace(fleet, at=self.now)]
        publish(self.table, self.terms[CLOUD], views, self._published)
        self.woken.clear()
        self.actor.on_receive(Hold(post=QUEUE))
        self.actor.on_receive(Tick())
        return set(self.woken)


@pytest.fixture
def desk(site: Site) -> Iterator[Desk]:
    made = Desk(site)
    yield made
    made.close()


NONE = FleetView(cloud="private", queue="atlas", at=0.0)
SUBMITTER, RETIREMENT = f"submitter@{CLOUD}", f"retirement@{CLOUD}"


def test_a_higher_want_wakes_who_starts_vms_and_not_who_ends_them(desk: Desk) -> None:
    assert desk.look(2, NONE) == {SUBMITTER}


@pytest.mark.parametrize("leaving", [replace(NONE, unwanted=1), replace(NONE, draining=1)])
def test_a_higher_want_wakes_both_where_something_may_be_taken_back(desk: Desk, leaving: FleetView) -> None:
    assert desk.look(2, leaving) == {SUBMITTER, RETIREMENT}


def test_a_lower_want_wakes_both(desk: Desk) -> None:
    desk.look(2, NONE)
    assert desk.look(0, NONE) == {SUBMITTER, RETIREMENT}


def test_a_want_that_stays_wakes_nobody(desk: Desk) -> None:
    desk.look(2, NONE)
    assert desk.look(2, NONE) == set()


def test_a_queue_that_stands_as_it_did_before_is_taken_over_without_a_word(desk: Desk) -> None:
    for _ in range(3):  # each look is the first of a new holder
        desk.look(0, NONE)
    assert desk.table.read("standing", QUEUE)["@"].version == 1
    desk.look(2, NONE)
    assert desk.table.read("standing", QUEUE)["@"].version == 2


def test_a_cloud_whose_room_is_not_known_yet_is_waited_for_and_is_not_full(desk: Desk) -> None:
    why = "account amazon has a limit, and what cloud/spot has of it is not known yet"
    assert desk.look(2, NONE, room=0, unsaid=why, later_s=1.0) == set()
    assert desk.said().why == (f"waits for private: {why}",)
    assert not desk.said().known
    assert desk.look(2, NONE, later_s=1.0) == {SUBMITTER}


def test_a_cloud_whose_room_nobody_ever_tells_holds_its_jobs_for_half_a_minute_and_not_for_ever(desk: Desk) -> None:
    why = "account amazon has a limit, and what cloud/spot has of it is not known yet"
    desk.look(2, NONE, room=0, unsaid=why, later_s=1.0)
    desk.now += FIRST_VIEWS_S
    desk.actor.on_receive(Wake(post=QUEUE, message=LookAtDemand(pool="local")))
    desk.actor.on_receive(Tick())
    assert desk.said().known
    assert why in " ".join(desk.said().why)


def test_what_a_queues_demand_was_seen_to_do_survives_a_failover(site: Site) -> None:
    queue = CONFIG.queues["atlas"].model_copy(update={"ahead": Ahead(waiting_worth=1.0)})
    desk = Desk(site, CONFIG.model_copy(update={"queues": {"atlas": queue}}))
    desk.look(2, NONE)
    desk.taken_over()
    desk.look(3, NONE)
    assert [cores for _, cores, _ in read_past(desk.table, "atlas").seen] == [2, 3]
    desk.close()


def test_a_queue_that_buys_nothing_ahead_writes_no_past(desk: Desk) -> None:
    desk.look(2, NONE)
    assert read_past(desk.table, "atlas").seen == ()
