"""Each trouble is named, with what it means, and no other is."""

from __future__ import annotations

import pytest

from actors.config.schema import Config
from actors.console.status import Reader
from actors.console.status_model import Trouble
from actors.fleet.breaker import Position
from actors.fleet.drain_and_hold import HoldBy, VmHold
from actors.fleet.observations import ScheddSeen
from actors.fleet.reasons import Freezing
from actors.fleet.vm import Intent, State
from actors.fleet.want import CloudView
from actors.fleet.wish import Wish
from actors.store.readings import HEAD, DemandHead, ListingHead, StartdsHead
from actors.store.wants import QueueStanding, accept
from tests.actors.console.factory_rows import Rows


@pytest.fixture
def healthy(rows: Rows) -> Rows:
    rows.host()
    rows.hold("pool/local", "cloud/private", "cloud/spot", "queue/atlas")
    rows.write("demand", "pool/local", HEAD, DemandHead(at=rows.now(), schedds=(ScheddSeen(name="ap1"),)))
    rows.write("startds", "pool/local", HEAD, StartdsHead(at=rows.now()))
    for cloud in ("private", "spot"):
        rows.write("listing", f"cloud/{cloud}", HEAD, ListingHead(at=rows.now()))
    rows.write("standing", "queue/atlas", HEAD, QueueStanding(known=True))
    return rows


def only(config: Config) -> Trouble:
    reader = Reader(config)
    troubles = reader.read().troubles
    reader.close()
    assert len(troubles) == 1, troubles
    return troubles[0]


def test_a_source_that_fails_is_bad_and_says_why(config: Config, healthy: Rows) -> None:
    failed = StartdsHead(at=healthy.now() - 40, failed_at=healthy.now(), failed="PoolAway: no answer")
    healthy.write("startds", "pool/local", HEAD, failed)
    trouble = only(config)
    assert trouble.weight == "bad"
    assert "pool/local startds" in trouble.what
    assert "PoolAway: no answer" in trouble.what
    assert "40 s ago" in trouble.what


def test_one_schedd_that_does_not_answer_is_named(config: Config, healthy: Rows) -> None:
    schedds = (ScheddSeen(name="ap1"), ScheddSeen(name="ap2", error="timed out"))
    healthy.write("demand", "pool/local", HEAD, DemandHead(at=healthy.now(), schedds=schedds))
    assert "ap2: timed out" in only(config).what


def test_a_reading_that_got_old_is_bad(config: Config, healthy: Rows) -> None:
    healthy.write("listing", "cloud/spot", HEAD, ListingHead(at=healthy.now() - 300))
    assert "cloud/spot listing was last read 300 s ago" in only(config).what


def test_jobs_that_no_cloud_can_run_are_told_once(config: Config, healthy: Rows) -> None:
    line = "2 jobs need 64 cpus; private and spot have 1"
    healthy.write("standing", "queue/atlas", HEAD, QueueStanding(known=True, why=(line,), unmet=(line,)))
    assert line in only(config).what


def test_held_jobs_are_noted(config: Config, healthy: Rows) -> None:
    healthy.write("standing", "queue/atlas", HEAD, QueueStanding(known=True, held=3))
    assert "3 jobs are held" in only(config).what


def test_a_closed_cloud_says_why_and_for_how_long(config: Config, healthy: Rows) -> None:
    now = healthy.now()
    view = CloudView(cloud="spot", at=now, room=0, closed="no capacity", closed_until=now + 90)
    healthy.write("fleet", "cloud/spot", HEAD, view)
    trouble = only(config)
    assert trouble.weight == "odd"
    assert "no capacity" in trouble.what
    assert any(f"for {left} s more" in trouble.what for left in (89, 90))


def test_a_frozen_cloud_says_why(config: Config, healthy: Rows) -> None:
    healthy.write("fleet", "cloud/spot", HEAD, CloudView(cloud="spot", at=1.0, room=1, frozen="pool/local is away"))
    assert "nothing is released on spot: pool/local is away" in only(config).what


def frozen(rows: Rows, by: Freezing) -> None:
    view = CloudView(cloud="spot", at=rows.now(), room=1, frozen="why", frozen_by=by, breaker_at=Position.CLOSED)
    rows.write("fleet", "cloud/spot", HEAD, view)


def kill(rows: Rows, name: str) -> None:
    now = rows.now()
    wish = Wish(
        id="k1", verb="kill", selector="cloud", names=(name,), reason="breach", by="me@here", at=now, ends=now + 60
    )
    accept(rows.table, wish)


def test_what_a_kill_does_as_soon_as_its_cloud_is_thawed_is_said_before(config: Config, healthy: Rows) -> None:
    frozen(healthy, Freezing.STOPPED)
    for state in (State.READY, State.DRAINING, State.ENDING):
        healthy.vm("spot", state)
    healthy.vm("private", State.READY)
    kill(healthy, "spot")
    reader = Reader(config)
    found = [one for one in reader.read().troubles if "to be ended" in one.what]
    reader.close()
    (trouble,) = found
    assert trouble.what == "2 VMs wait on spot to be ended, and all jobs there: kill by me@here: breach"
    assert "as soon as spot is thawed" in trouble.todo


@pytest.mark.parametrize(("by", "name"), [(Freezing.SHORT, "spot"), (Freezing.STOPPED, "private")])
def test_a_kill_that_waits_for_no_thaw_is_no_trouble(config: Config, healthy: Rows, by: Freezing, name: str) -> None:
    frozen(healthy, by)
    healthy.vm("spot", State.READY)
    kill(healthy, name)
    assert "nothing is released on spot" in only(config).what


def test_a_vm_that_the_cloud_does_not_end_is_bad(config: Config, healthy: Rows) -> None:
    vm = healthy.vm("spot", State.ENDING, since=healthy.now() - 3600)
    trouble = only(config)
    assert trouble.weight == "bad"
    assert vm.instance_id in trouble.what


def test_a_vm_past_its_boot_deadline_is_noted(config: Config, healthy: Rows) -> None:
    late = healthy.vm("spot", State.BOOTING, since=healthy.now() - 1000)
    healthy.vm("spot", State.BOOTING, since=healthy.now() - 100)
    assert late.id in only(config).what


def test_what_another_factory_of_our_name_launched_is_bad(config: Config, healthy: Rows) -> None:
    view = CloudView(cloud="spot", at=healthy.now(), room=1, strangers=("instance i-9 carries our tags",))
    healthy.write("fleet", "cloud/spot", HEAD, view)
    trouble = only(config)
    assert trouble.weight == "bad"
    assert "i-9" in trouble.what
    assert "apf thaw CONFIG --cloud spot" in trouble.todo


def test_a_vm_that_is_busy_for_no_schedd_is_noted_with_what_to_do(config: Config, healthy: Rows) -> None:
    view = CloudView(cloud="spot", at=healthy.now(), room=1, orphaned=("VM x-0 has a claim",))
    healthy.write("fleet", "cloud/spot", HEAD, view)
    trouble = only(config)
    assert "VM x-0 has a claim" in trouble.what
    assert "apf kill CONFIG --vm ID" in trouble.todo


def test_a_drain_that_a_startd_refuses_is_noted(config: Config, healthy: Rows) -> None:
    healthy.vm("spot", State.READY, drain_refused="MaxJobRetirementTime is 0")
    assert "MaxJobRetirementTime is 0" in only(config).what


def test_a_post_that_nobody_holds_is_noted(config: Config, healthy: Rows) -> None:
    healthy.leases.release(healthy.term("queue/atlas"))
    assert "nobody holds queue/atlas" in only(config).what


def test_a_launch_whose_answer_is_not_known_is_noted(config: Config, healthy: Rows) -> None:
    now = healthy.now()
    intent = Intent(
        id="abc", cloud="spot", queue="atlas", count=2, token="t", request="{}", written=now - 70, unknown="timed out"
    )
    healthy.write("intent", "cloud/spot", intent.id, intent)
    assert "launch abc on spot worked is not known for 70 s: timed out" in only(config).what


def test_a_vm_that_is_held_by_its_tag_alone_is_odd_and_says_how_to_release_it(config: Config, healthy: Rows) -> None:
    vm = healthy.vm(
        "spot", State.READY, hold=VmHold(why="hold by me: a look (as the tag on its instance says)", by=HoldBy.TAG)
    )
    trouble = only(config)
    assert trouble.weight == "odd"
    assert "hold by me: a look" in trouble.what
    assert f"apf release CONFIG --vm {vm.id}" in trouble.todo


def test_holds_that_a_cloud_cannot_keep_are_odd(config: Config, healthy: Rows) -> None:
    told = "clouds of kind script cannot keep them"
    healthy.write("fleet", "cloud/spot", "@", CloudView(cloud="spot", at=healthy.now(), room=1, unmarked=told))
    trouble = only(config)
    assert (trouble.weight, told in trouble.what) == ("odd", True)
