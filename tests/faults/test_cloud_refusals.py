"""A cloud that says no: full, too many calls, wrong credentials.

The rule: a sure no costs nothing. The next tier is asked at once, the cloud is left alone for a while and then asked
again; and while a cloud does not let us in, its VMs are neither forgotten nor taken for gone.
"""

from datetime import datetime
from typing import Any

import pytest

from actors.fleet.vm import State
from tests.factory_configuration import TYPES
from tests.factory_on_lab import MakeFactory

pytestmark = pytest.mark.lab

SPILLED_WITHIN_S = 1.0


def test_what_does_not_fit_is_started_on_the_next_tier_at_once(make_factory: MakeFactory) -> None:
    """`private` has room for one VM of the two that are wanted."""
    factory = make_factory()
    host = factory.host()
    factory.site.cloud.control.set(capacity={TYPES["private"]: 1})
    factory.submit(2, gate=factory.gate())
    host.start()
    factory.until(lambda: len(factory.running_jobs()) == 2, "both jobs run", 40)
    short = host.said("breaker open", cloud="private", why="no capacity for more")[0]
    spilled = host.said("launch", cloud="spot")[0]
    assert 0 <= at(spilled) - at(short) < SPILLED_WITHIN_S
    factory.until_done()
    factory.judge()
    factory.bought(2)


def test_while_every_cloud_is_full_jobs_wait_and_then_run_where_there_is_room(make_factory: MakeFactory) -> None:
    factory = make_factory(clouds={"private": {"closed_s": 3.0}, "spot": {"closed_s": 3.0}})
    control, host = factory.site.cloud.control, factory.host()
    control.set(capacity={TYPES["private"]: 0, TYPES["spot"]: 0})
    factory.submit(2, seconds=1)
    host.start()
    factory.until(lambda: host.said("breaker open", cloud="spot", why="NoCapacity"), "the last tier refused too", 20)
    refused = host.said("breaker open", cloud="private", why="NoCapacity")[0]
    spilled = host.said("launch", cloud="spot")[0]
    assert 0 <= at(spilled) - at(refused) < SPILLED_WITHIN_S
    assert factory.started() == []
    control.set(capacity={})
    factory.until_done()
    factory.judge()


def test_a_throttled_launch_goes_out_again_with_its_own_token(make_factory: MakeFactory) -> None:
    factory = make_factory()
    factory.site.cloud.control.fault("refuse", code="RequestLimitExceeded", status=503, times=2)
    factory.submit(2, gate=factory.gate())
    factory.host().start()
    factory.until(lambda: len(factory.running_jobs()) == 2, "both jobs run", 40)
    assert len(factory.host().said("launch throttled")) == 2
    assert [line["cloud"] for line in factory.host().said("launch")] == ["private"]
    assert factory.host().said("cloud open again", cloud="private", was="throttled")
    factory.until_done()
    factory.judge()


def test_refused_credentials_are_said_and_nothing_is_invented(make_factory: MakeFactory) -> None:
    """At the start, and again while a VM runs: it is neither ended nor forgotten, and ended when we are let in."""
    factory = make_factory()
    control, host = factory.site.cloud.control, factory.host()
    control.set(access_keys=["another"])
    gate = factory.gate()
    factory.submit(1, gate=gate)
    host.start()
    for cloud in factory.config.clouds:
        refused = host.said
        factory.until(
            lambda c=cloud, said=refused: said("reading failed", post=f"cloud/{c}", why="AuthFailure"),
            f"{cloud}: the refusal is told",
            20,
        )
    factory.holds(lambda: not factory.vms() and not host.said("launch"), "nothing is started blindly", 3)
    control.set(access_keys=[])
    factory.until(lambda: factory.running_jobs(), "the job runs", 40)
    factory.until(lambda: factory.vms("private", State.READY), "its VM has joined", 20)
    control.set(access_keys=["another"])
    gate.open()
    factory.until(lambda: host.said("call failed", state="ending", why="AuthFailure"), "the end was refused", 40)
    assert [vm.state for vm in factory.alive()] == [State.ENDING]
    control.set(access_keys=[])
    factory.until_done()
    factory.judge()
    factory.bought(1)


def at(line: dict[str, Any]) -> float:
    return datetime.fromisoformat(line["timestamp"]).timestamp()
