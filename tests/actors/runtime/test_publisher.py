"""Whom a change of a cloud concerns."""

from dataclasses import replace

from actors.fleet.want import CloudView, FleetView
from actors.runtime.publisher import concerned
from actors.store.views import CLOUD

QUEUES = ("atlas", "belle")
OPEN = CloudView(cloud="private", at=1.0, room=5)
ATLAS = FleetView(cloud="private", queue="atlas", at=1.0, booting=1)
BELLE = FleetView(cloud="private", queue="belle", at=1.0)
BEFORE = {CLOUD: OPEN, "atlas": ATLAS, "belle": BELLE}


def told(cloud: CloudView = OPEN, atlas: FleetView = ATLAS) -> list[str]:
    return concerned(QUEUES, BEFORE, [cloud, atlas, BELLE])


def test_a_launch_concerns_its_own_queue_alone() -> None:
    assert told(replace(OPEN, room=4), replace(ATLAS, booting=2)) == ["atlas"]


def test_the_passing_of_time_concerns_nobody() -> None:
    assert told(replace(OPEN, at=30.0), replace(ATLAS, at=30.0)) == []


def test_the_last_room_that_goes_and_the_first_that_comes_back_concern_all() -> None:
    full = replace(OPEN, room=0)
    assert told(full) == list(QUEUES)
    assert concerned(QUEUES, {**BEFORE, CLOUD: full}, [OPEN, ATLAS, BELLE]) == list(QUEUES)


def test_a_cloud_that_closes_or_freezes_concerns_all() -> None:
    assert told(replace(OPEN, closed="no capacity")) == list(QUEUES)
    assert told(replace(OPEN, frozen="pool/local failed")) == list(QUEUES)


def test_what_its_account_has_is_known_at_last_and_that_concerns_all_though_there_is_no_room() -> None:
    unsaid, full = replace(OPEN, room=0, unsaid="not known yet"), replace(OPEN, room=0, full="6 VMs of 6")
    assert concerned(QUEUES, {**BEFORE, CLOUD: unsaid}, [full, ATLAS, BELLE]) == list(QUEUES)


def test_a_cloud_that_was_never_shown_concerns_all() -> None:
    assert concerned(QUEUES, {}, [OPEN, ATLAS, BELLE]) == list(QUEUES)
