"""What is bought before jobs wait, and how long what no job needs is kept."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.fleet.boots import boots
from actors.fleet.want import CloudView
from actors.policies.limits import Limit
from actors.policies.provisioning.ahead import MOST_HEDGED, hedged, hold_s, quantile
from actors.policies.provisioning.past import NO_PAST, Past
from actors.policies.rules import AheadRules, CloudRules
from tests.actors.policies.site import NOW, Site, cloud, demand, has, jobs, numbers, want

NEAR, FAR = cloud("near", 40, cpus=8, usd_per_hour=0.5), cloud("far", 40, cpus=8, usd_per_hour=1.0)
WORTH = AheadRules(worth=1.0)


def grew(cores: int, every_s: float = 240.0) -> Past:
    """For two hours, every so often demand rose from 8 cores by so many, for a minute."""
    past, at = NO_PAST, NOW - 7_200.0
    while at < NOW:
        past = past.with_level(8, at).with_level(8 + cores, at + every_s / 2).with_level(8, at + every_s / 2 + 60.0)
        at += every_s
    return past


def knows(rules: CloudRules, used: int = 0, *, spread: float = 0.0, room: int = 40, **more: object) -> CloudView:
    return CloudView(cloud=rules.name, at=NOW - 1, room=room - used, boot_s=120.0, boot_spread=spread, **more)  # type: ignore[arg-type]


def site(**more: object) -> Site:
    given_: dict[str, object] = {
        "ahead": WORTH,
        "past": grew(24),
        "views": {"near": knows(NEAR, 1), "far": knows(FAR)},
        "fleet": {"near": has(NEAR, busy=1, claims=8)},
    }
    return Site(((NEAR,), (FAR,)), **{**given_, **more})  # type: ignore[arg-type]


BUSY = demand(jobs(running=8))


def test_without_a_worth_nothing_is_bought_ahead_and_nothing_is_remembered() -> None:
    decision = site(ahead=None, past=NO_PAST).decide(BUSY)
    assert numbers(decision) == {"near": 1, "far": 0}
    assert decision.past == NO_PAST


def test_what_demand_grew_by_while_a_vm_boots_is_kept_free_and_the_sentence_says_why() -> None:
    decision = site().decide(BUSY)
    assert numbers(decision) == {"near": 4, "far": 0}
    said = "spare: 3 new VMs: in 87.5% of the last two hours demand grew by no more than 24 cores in the 120 s"
    assert any(said in why for why in decision.why)
    assert any(said in why for why in decision.wants["near"].reasons)


def test_free_capacity_that_is_there_is_counted_first() -> None:
    idle = site(fleet={"near": has(NEAR, busy=1, idle=2, claims=8)}, views={"near": knows(NEAR, 3), "far": knows(FAR)})
    assert numbers(idle.decide(BUSY)) == {"near": 4, "far": 0}


def test_a_spare_vm_is_kept_however_long_it_is_idle() -> None:
    idle = site(
        fleet={"near": has(NEAR, busy=1, idle=3, claims=8)},
        views={"near": knows(NEAR, 4), "far": knows(FAR)},
        wants={"near": want("near", 4, surplus=((NOW - 900.0, 3),))},
    )
    assert numbers(idle.decide(BUSY)) == {"near": 4, "far": 0}
    assert numbers(replace(idle, ahead=None).decide(BUSY)) == {"near": 1, "far": 0}


@pytest.mark.parametrize(
    ("limit", "near"), [(Limit(vms=1), 2), (Limit(cores=16), 3), (Limit(usd_per_hour=0.9), 2), (Limit(vms=0), 1)]
)
def test_no_more_than_is_allowed_is_bought_ahead(limit: Limit, near: int) -> None:
    assert numbers(site(ahead=replace(WORTH, limit=limit)).decide(BUSY)) == {"near": near, "far": 0}


def test_only_the_tiers_that_are_named_have_spare_vms() -> None:
    assert numbers(site(ahead=replace(WORTH, tiers=frozenset({1}))).decide(BUSY)) == {"near": 1, "far": 3}


def test_where_boot_times_are_not_known_nothing_is_bought_ahead_and_that_is_said() -> None:
    decision = site(views={}).decide(BUSY)
    assert numbers(decision) == {"near": 1, "far": 0}
    assert "ahead: not yet on near: how long a VM boots there is known after a few" in decision.why


def test_nothing_is_bought_ahead_while_jobs_wait_for_room_or_a_schedd_is_missing() -> None:
    full = site(views={"near": knows(NEAR, 1, room=1), "far": knows(FAR, room=0)}).decide(demand(jobs(50, running=8)))
    assert full.wants["near"].n == 1
    missing = site().decide(demand(jobs(running=8), missing="away"))
    assert numbers(missing) == {"near": 1, "far": 0}
    assert missing.past == grew(24)


def test_more_vms_boot_than_are_needed_where_boot_times_spread() -> None:
    spread = site(past=NO_PAST, views={"near": knows(NEAR, 1, spread=0.2), "far": knows(FAR, spread=0.2)})
    decision = spread.decide(demand(jobs(80, running=8)))
    assert numbers(decision) == {"near": 1 + 10 + 4, "far": 0}
    assert any("hedge: 14 VMs of near boot for the 10 that are needed" in why for why in decision.why)
    assert numbers(spread.decide(demand(jobs(16, running=8)))) == {"near": 3, "far": 0}


HOURLY = replace(NEAR, billed_s=3_600.0)


@pytest.mark.parametrize(
    ("rules", "view"),
    [
        (NEAR, knows(NEAR, 1)),
        (HOURLY, knows(NEAR, 1, spread=0.2)),
        (NEAR, knows(NEAR, 1, spread=0.2, breaker="half-open")),
        (NEAR, knows(NEAR, 1, spread=0.2, room=18)),
    ],
    ids=("no spread", "billed by the hour", "a breaker that tries", "little room"),
)
def test_there_is_no_hedge_where_it_would_cost_or_harm(rules: CloudRules, view: CloudView) -> None:
    one = Site(((rules,),), ahead=WORTH, views={"near": view}, fleet={"near": has(NEAR, busy=1, claims=8)})
    assert numbers(one.decide(demand(jobs(80, running=8)))) == {"near": 11}


def test_a_hedge_is_absolute_so_late_mail_buys_nothing_twice() -> None:
    views = {"near": knows(NEAR, 15, spread=0.2), "far": knows(FAR)}
    again = site(past=NO_PAST, views=views, fleet={"near": has(NEAR, busy=1, claims=8, booting=14)})
    assert numbers(again.decide(demand(jobs(80, running=8)))) == {"near": 15, "far": 0}


def test_what_was_needed_again_soon_is_kept_and_what_was_not_goes() -> None:
    assert hold_s((), again_s=1_000.0, least_s=60.0) == 60.0
    assert hold_s((120.0, 90.0, 120.0), again_s=1_000.0, least_s=60.0) == 120.0
    assert hold_s((9_000.0, math.inf), again_s=1_000.0, least_s=60.0) == 15.0
    assert hold_s((9_000.0,), again_s=1_000.0, least_s=5.0) == 5.0


@given(st.lists(st.floats(1.0, 7_200.0) | st.just(math.inf), max_size=20), st.floats(1.0, 5_000.0), st.floats(0, 600))
def test_nothing_is_held_for_longer_than_buying_it_again_is_worth(
    returns: list[float], again_s: float, least_s: float
) -> None:
    assert hold_s(returns, again_s, least_s) <= max(again_s, least_s)


def test_idle_vms_are_held_by_what_was_seen_of_the_levels_that_they_serve() -> None:
    idle = site(
        past=grew(24, every_s=200.0),
        ahead=replace(WORTH, limit=Limit(vms=0)),
        fleet={"near": has(NEAR, busy=1, idle=3, claims=8)},
        views={"near": knows(NEAR, 4), "far": knows(FAR)},
        wants={"near": want("near", 4, surplus=((NOW - 100.0, 3),))},
    )
    kept = idle.decide(BUSY)
    assert numbers(kept) == {"near": 4, "far": 0}
    assert any("so pays what was seen" in why for why in kept.why)
    seldom = replace(idle, past=grew(24, every_s=6_000.0))
    assert numbers(seldom.decide(BUSY)) == {"near": 1, "far": 0}


@given(st.floats(0.01, 4.0), st.floats(0.01, 4.0), st.floats(1.0, 64.0), st.floats(0.0, 1.0))
def test_more_worth_is_never_less_ahead(one: float, other: float, jobs_a_vm: float, spread: float) -> None:
    low, high = sorted((one, other))
    assert 0.0 <= quantile(low, jobs_a_vm) <= quantile(high, jobs_a_vm) < 1.0
    assert 0.0 <= hedged(low, spread) <= hedged(high, spread) <= MOST_HEDGED


def test_boot_times_are_known_after_a_few() -> None:
    assert boots([100.0] * 3) == (0.0, 0.0)
    assert boots([100.0] * 4) == (100.0, 0.0)
    assert boots([80.0, 100.0, 120.0, 140.0, 160.0])[0] == 120.0
    assert boots([80.0, 100.0, 120.0, 140.0, 160.0])[1] > 0.2
