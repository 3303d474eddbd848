"""The decision, case by case."""

from __future__ import annotations

from dataclasses import replace

import pytest

from actors.fleet.observations import Failed, JobsSeen
from actors.fleet.want import CloudView, FleetView
from actors.policies.provisioning.decide import Decision, decide
from tests.actors.policies.site import NOW, Site, cloud, demand, has, jobs, numbers, want

Fleet = dict[str, FleetView | None]
PRIVATE, SPOT, DEAR = cloud("private", 2), cloud("spot", 4, usd_per_hour=0.1), cloud("dear", 4, usd_per_hour=1.0)


def cascade(**more: object) -> Site:
    return Site(((PRIVATE,), (SPOT,), (DEAR,)), **more)  # type: ignore[arg-type]


def test_no_jobs_want_no_vms_and_the_want_says_so() -> None:
    decision = cascade().decide(demand(jobs(0)))
    assert numbers(decision) == {"private": 0, "spot": 0, "dear": 0}
    assert all(want.reasons for want in decision.wants.values())


def test_the_cheapest_tier_is_filled_first_and_the_rest_spills_over() -> None:
    assert numbers(cascade().decide(demand(jobs(1)))) == {"private": 1, "spot": 0, "dear": 0}
    assert numbers(cascade().decide(demand(jobs(5)))) == {"private": 2, "spot": 3, "dear": 0}
    assert numbers(cascade().decide(demand(jobs(99)))) == {"private": 2, "spot": 4, "dear": 4}


def test_jobs_without_room_anywhere_are_counted_and_the_limits_are_named() -> None:
    decision = cascade().decide(demand(jobs(99)))
    assert decision.waiting == 89
    full = "private: its room goes to 2 new; spot: its room goes to 4 new; dear: its room goes to 4 new"
    assert f"89 jobs wait for room ({full})" in decision.why


def test_no_new_vm_is_not_called_unneeded_while_jobs_wait_for_room() -> None:
    names = ("private", "spot", "dear")
    views = {name: CloudView(cloud=name, at=NOW, room=0, closed="no capacity") for name in names}
    decision = cascade(views=views).decide(demand(jobs(1)))
    assert decision.waiting == 1
    assert decision.why[0] == "1 waiting and 0 running jobs: no new VM can be had"


def test_a_closed_cloud_is_passed_over_at_once_and_its_unlaunched_want_is_dropped() -> None:
    closed = CloudView(cloud="private", at=NOW, room=2, closed="no capacity until 10:00")
    site = cascade(views={"private": closed}, wants={"private": want("private", 2, changed=NOW - 5)})
    decision = site.decide(demand(jobs(2)))
    assert numbers(decision) == {"private": 0, "spot": 2, "dear": 0}
    assert "no capacity until 10:00" in " ".join(decision.why)


def test_clouds_of_one_tier_share_by_weight() -> None:
    a, b = cloud("a", 100, weight=3.0), cloud("b", 100, weight=1.0)
    assert numbers(Site(((a, b),)).decide(demand(jobs(40)))) == {"a": 30, "b": 10}


def test_the_share_of_a_full_cloud_goes_to_its_neighbour_not_to_the_next_tier() -> None:
    a, b = cloud("a", 100), cloud("b", 3)
    assert numbers(Site(((a, b), (DEAR,))).decide(demand(jobs(40)))) == {"a": 37, "b": 3, "dear": 0}


def test_running_jobs_keep_their_vms() -> None:
    site = cascade(fleet={"private": has(PRIVATE, busy=2), "spot": has(SPOT, busy=1)})
    decision = site.decide(demand(jobs(0, running=3)), now=NOW + 1_000)
    assert numbers(decision) == {"private": 2, "spot": 1, "dear": 0}


def test_jobs_go_into_free_vms_before_any_is_bought() -> None:
    site = cascade(fleet={"spot": has(SPOT, idle=2)})
    assert numbers(site.decide(demand(jobs(2)))) == {"private": 0, "spot": 2, "dear": 0}


def test_vms_under_way_are_supply() -> None:
    site = cascade(fleet={"private": has(PRIVATE, launching=1, booting=1)})
    assert numbers(site.decide(demand(jobs(2)))) == {"private": 2, "spot": 0, "dear": 0}


def test_a_free_part_of_a_busy_vm_takes_jobs() -> None:
    big = cloud("big", 10, cpus=8)
    site = Site(((big,),), fleet={"big": has(big, busy=1, free=((3, 6_000, 30_000, 0),))})
    assert numbers(site.decide(demand(jobs(3, running=5)))) == {"big": 1}
    assert numbers(site.decide(demand(jobs(4, running=5)))) == {"big": 2}


def test_small_jobs_share_a_vm_by_every_amount_they_ask_for() -> None:
    big = cloud("big", 10, cpus=4)  # 8,000 MiB
    assert numbers(Site(((big,),)).decide(demand(jobs(9)))) == {"big": 3}
    hungry = jobs(4)
    hungry = type(hungry)(queue="atlas", request=type(hungry.request)(cpus=1, memory_mib=4_000), idle=4)
    assert numbers(Site(((big,),)).decide(demand(hungry))) == {"big": 2}


def test_large_and_small_jobs_complete_each_other() -> None:
    big = cloud("big", 10, cpus=4)
    assert numbers(Site(((big,),)).decide(demand(jobs(4), jobs(2, cpus=2), jobs(2, cpus=3)))) == {"big": 4}


def test_static_slots_take_one_job_each() -> None:
    static = cloud("static", 10, cpus=4, slots="static")
    assert numbers(Site(((static,),)).decide(demand(jobs(9)))) == {"static": 3}
    decision = Site(((static,),)).decide(demand(jobs(9, cpus=2)))
    assert numbers(decision) == {"static": 0}
    assert "wait for 2 cpus; the most that a cloud of this queue has in one slot is 1" in decision.unmet[0].why


def test_jobs_that_no_cloud_can_run_buy_nothing_and_are_named() -> None:
    decision = cascade().decide(demand(jobs(12, gpus=2), jobs(1)))
    assert numbers(decision) == {"private": 1, "spot": 0, "dear": 0}
    assert [(unmet.jobs, unmet.why) for unmet in decision.unmet] == [
        (12, "12 jobs wait for 2 gpus; no cloud of this queue has any")
    ]


def test_a_job_that_only_one_cloud_can_run_gets_its_room_before_the_others() -> None:
    special = cloud("private", 1, attributes=(("HasLicence", "true"),))
    site = Site(((special,), (SPOT,)))
    decision = site.decide(demand(jobs(1), jobs(1, requirements="TARGET.HasLicence")))
    assert numbers(decision) == {"private": 1, "spot": 1}
    assert decision.waiting == 0


def test_requirements_that_no_slot_meets_are_named_with_the_missing_attribute() -> None:
    decision = cascade().decide(demand(jobs(3, requirements="TARGET.HasDocker && TARGET.Memory >= RequestMemory")))
    assert numbers(decision) == {"private": 0, "spot": 0, "dear": 0}
    assert "3 jobs wait with Requirements that no cloud of this queue meets (HasDocker: not advertised)" in str(
        decision.unmet
    )


def test_a_nice_user_job_buys_nothing_because_workers_refuse_it() -> None:
    decision = cascade().decide(demand(jobs(3, attributes=(("MaxJobRetirementTime", "0"),))))
    assert numbers(decision) == {"private": 0, "spot": 0, "dear": 0}
    assert decision.unmet


def test_a_job_that_asks_for_less_retirement_than_workers_give_buys_nothing() -> None:
    for seconds, n in ((315_359_999, 0), (315_360_000, 2)):
        decision = cascade().decide(demand(jobs(2, attributes=(("MaxJobRetirementTime", str(seconds)),))))
        assert numbers(decision)["private"] == n


def test_the_queues_start_condition_counts() -> None:
    picky = cloud("picky", 9, start="TARGET.RequestCpus > 1")
    assert numbers(Site(((picky,),)).decide(demand(jobs(3)))) == {"picky": 0}


@pytest.mark.parametrize("seen", [None, Failed(source="pool", at=NOW, reason="no answer in 20 s")])
def test_unknown_demand_changes_nothing(seen: Failed | None) -> None:
    site = cascade(fleet={"spot": has(SPOT, idle=3)})
    decision = site.decide(seen, now=NOW + 10_000)
    assert numbers(decision) == {"private": 0, "spot": 3, "dear": 0}
    assert decision.changed == ()
    assert "demand is not known" in decision.why[0]


def test_with_a_schedd_missing_wants_rise_but_never_fall() -> None:
    site = cascade(fleet={"spot": has(SPOT, idle=3), "private": has(PRIVATE, busy=2)}, release_after_s=0.0)
    assert numbers(site.decide(demand(jobs(0), missing="no answer"))) == {"private": 2, "spot": 3, "dear": 0}
    assert numbers(site.decide(demand(jobs(5), missing="no answer"))) == {"private": 2, "spot": 4, "dear": 1}


@pytest.mark.parametrize("what", ["fleet", "views"])
def test_a_cloud_that_is_not_known_keeps_its_want_and_the_others_go_on(what: str) -> None:
    site = cascade(wants={"private": want("private", 2, changed=0.0)})
    setattr(site, what, {"private": None})
    assert numbers(site.decide(demand(jobs(3)))) == {"private": 2, "spot": 3, "dear": 0}


def test_what_an_unknown_cloud_was_asked_for_a_moment_ago_is_not_bought_again_elsewhere() -> None:
    site = cascade(fleet={"private": None}, wants={"private": want("private", 2, changed=NOW - 10)})
    assert numbers(site.decide(demand(jobs(3)))) == {"private": 2, "spot": 1, "dear": 0}


def test_a_frozen_clouds_want_may_rise_but_does_not_fall() -> None:
    frozen = CloudView(cloud="spot", at=NOW, room=4, frozen="the collector does not answer")
    site = cascade(fleet={"spot": has(SPOT, idle=3)}, views={"spot": frozen}, release_after_s=0.0)
    decision = site.decide(demand(jobs(0)))
    assert numbers(decision)["spot"] == 3
    assert "the collector does not answer" in " ".join(decision.why)
    assert numbers(site.decide(demand(jobs(6))))["spot"] == 4


def test_what_ended_on_a_frozen_cloud_is_not_bought_again_for_nobody() -> None:
    frozen = CloudView(cloud="spot", at=NOW, room=4, frozen="a startd is not shown")
    site = cascade(fleet={"spot": has(SPOT, idle=1)}, views={"spot": frozen}, wants={"spot": want("spot", 3)})
    assert numbers(site.decide(demand(jobs(0))))["spot"] == 1
    assert numbers(site.decide(demand(jobs(5))))["spot"] == 3


def test_a_view_older_than_the_want_does_not_buy_twice() -> None:
    site = cascade(
        wants={"private": want("private", 2, changed=NOW)},
        fleet={"private": has(PRIVATE, at=NOW - 3)},
        views={"private": CloudView(cloud="private", at=NOW - 3, room=2)},
    )
    assert numbers(site.decide(demand(jobs(2)))) == {"private": 2, "spot": 0, "dear": 0}
    full = CloudView(cloud="private", at=NOW - 3, room=0)
    site.views = {"private": full}
    assert numbers(site.decide(demand(jobs(2)))) == {"private": 2, "spot": 0, "dear": 0}


def test_a_surplus_must_last_before_it_is_released() -> None:
    site = cascade(fleet={"spot": has(SPOT, idle=3)})
    first = site.decide(demand(jobs(0)))
    assert numbers(first)["spot"] == 3
    site.wants = dict(first.wants)
    second = site.decide(demand(jobs(0)), now=NOW + 59)
    assert numbers(second)["spot"] == 3
    third = site.decide(demand(jobs(0)), now=NOW + 60)
    assert numbers(third)["spot"] == 0
    assert "3 released" in " ".join(third.wants["spot"].reasons)


def test_a_surplus_that_was_needed_in_between_starts_anew() -> None:
    site = cascade(fleet={"spot": has(SPOT, idle=3)})
    for now, idle in ((NOW, 0), (NOW + 30, 3), (NOW + 65, 0)):
        decision = site.decide(demand(jobs(idle)), now=now)
        site.wants = dict(decision.wants)
        assert numbers(decision)["spot"] == 3


def test_only_what_was_too_many_all_the_time_is_released() -> None:
    site = cascade(fleet={"spot": has(SPOT, idle=3)})
    for now, idle, wanted in ((NOW, 2, 3), (NOW + 50, 0, 3), (NOW + 61, 0, 2), (NOW + 111, 0, 0)):
        decision = site.decide(demand(jobs(idle)), now=now)
        assert numbers(decision)["spot"] == wanted
        site.wants = dict(decision.wants)
        site.fleet = {"spot": has(SPOT, idle=wanted)}


def test_the_dearest_is_released_first_even_busy_and_the_cheap_idle_one_stays() -> None:
    fleet = {"private": has(PRIVATE, idle=2), "dear": has(DEAR, busy=3)}
    site = cascade(fleet=fleet, release_after_s=0.0)
    assert numbers(site.decide(demand(jobs(0, running=3)))) == {"private": 2, "spot": 0, "dear": 1}


def test_a_busy_dear_vm_is_not_given_up_for_a_cheap_one_that_had_to_be_bought() -> None:
    site = cascade(fleet={"dear": has(DEAR, busy=3)}, release_after_s=0.0)
    assert numbers(site.decide(demand(jobs(0, running=3)))) == {"private": 0, "spot": 0, "dear": 3}


def test_a_busy_vm_that_the_cheap_one_cannot_replace_stays() -> None:
    gpu = cloud("gpu", 4, gpus=1, usd_per_hour=3.0)
    fleet: Fleet = {"private": has(PRIVATE, idle=2), "gpu": has(gpu, busy=2)}
    site = Site(((PRIVATE,), (gpu,)), fleet=fleet, release_after_s=0.0)
    assert numbers(site.decide(demand(jobs(0, running=2, gpus=1)))) == {"private": 0, "gpu": 2}


def test_held_vms_are_supply_that_no_surplus_touches() -> None:
    site = cascade(fleet={"spot": has(SPOT, idle=3, held=2)}, release_after_s=0.0)
    assert numbers(site.decide(demand(jobs(0))))["spot"] == 2


def test_a_vm_that_the_reading_does_not_show_is_not_idle() -> None:
    site = cascade(fleet={"spot": has(SPOT, idle=3, suspect=2, free=(SPOT.size,))}, release_after_s=0.0)
    assert numbers(site.decide(demand(jobs(0))))["spot"] == 2


def test_when_demand_returns_the_want_rises_over_the_drains_and_says_so() -> None:
    site = cascade(fleet={"private": has(PRIVATE, cancellable=2, draining=2)})
    site.views = {"private": CloudView(cloud="private", at=NOW, room=2)}
    decision = site.decide(demand(jobs(2)))
    assert numbers(decision)["private"] == 2
    assert "2 of them by taking drains back" in " ".join(decision.wants["private"].reasons)


@pytest.mark.parametrize("closed", ["", "no capacity"])
def test_a_full_or_closed_cloud_takes_back_its_drains_before_a_dearer_one_is_asked(closed: str) -> None:
    site = cascade(fleet={"private": has(PRIVATE, draining=2, cancellable=2)})
    site.views = {"private": CloudView(cloud="private", at=NOW, room=0, closed=closed)}
    assert numbers(site.decide(demand(jobs(3)))) == {"private": 2, "spot": 1, "dear": 0}


def test_a_full_cloud_wants_again_what_still_boots_though_it_was_given_up() -> None:
    site = cascade(fleet={"private": has(PRIVATE, unwanted=2)})
    site.views = {"private": CloudView(cloud="private", at=NOW, room=0)}
    assert numbers(site.decide(demand(jobs(3)))) == {"private": 2, "spot": 1, "dear": 0}


def test_a_job_that_matched_since_demand_was_read_buys_no_second_vm() -> None:
    """Whether or not the other clouds changed since."""
    for others in (NOW - 1, NOW + 2):
        site = cascade(fleet={"private": has(PRIVATE, busy=1, claims=1, at=NOW + 2)})
        site.fleet |= {"spot": has(SPOT, at=others), "dear": has(DEAR, at=others)}
        assert numbers(site.decide(demand(jobs(1), at=NOW))) == {"private": 1, "spot": 0, "dear": 0}
        assert numbers(site.decide(demand(jobs(1), at=NOW + 5))) == {"private": 2, "spot": 0, "dear": 0}


def test_claims_that_ended_before_demand_was_read_hide_no_waiting_job() -> None:
    """On spot two jobs have ended since it was looked at; of two waiting jobs one has matched on the private cloud."""
    site = cascade(fleet={"private": has(PRIVATE, busy=1, claims=1, at=NOW + 2), "spot": has(SPOT, busy=2, claims=2)})
    assert numbers(site.decide(demand(jobs(2), at=NOW))) == {"private": 2, "spot": 2, "dear": 0}


def test_the_queues_own_limit_holds_over_all_clouds() -> None:
    site = cascade(max_vms=3, fleet={"spot": has(SPOT, busy=1)})
    assert sum(numbers(site.decide(demand(jobs(9, running=1)))).values()) == 3


def test_a_lowered_limit_takes_the_dearest_first() -> None:
    fleet = {"private": has(PRIVATE, busy=2), "dear": has(DEAR, busy=3)}
    decision = cascade(max_vms=3, fleet=fleet).decide(demand(jobs(0, running=5)))
    assert numbers(decision) == {"private": 2, "spot": 0, "dear": 1}
    assert "this queue has at most 3 VMs" in " ".join(decision.wants["dear"].reasons)


def test_with_a_schedd_missing_a_limit_lowers_what_rose_not_what_stood() -> None:
    site = cascade(max_vms=1, fleet={"private": has(PRIVATE, busy=1)})
    site.wants = {"private": want("private", 0), "spot": want("spot", 1)}
    assert numbers(site.decide(demand(missing="away"))) == {"private": 0, "spot": 1, "dear": 0}
    assert numbers(site.decide(demand())) == {"private": 1, "spot": 0, "dear": 0}


def test_a_cloud_that_left_the_cascade_is_wanted_no_more() -> None:
    decision = cascade(wants={"old": want("old", 4)}).decide(demand(jobs(0)))
    assert decision.wants["old"].n == 0
    assert "old" in decision.changed


def test_an_unchanged_want_is_the_same_row() -> None:
    site = cascade(fleet={"spot": has(SPOT, busy=1)})
    first = site.decide(demand(jobs(3)))
    site.wants = dict(first.wants)
    second = site.decide(demand(jobs(3)), now=NOW + 1)
    assert second.changed == ()
    assert second.wants == first.wants


def test_a_want_says_up_to_when_it_knows_of_vms_that_an_operator_took_out_though_its_number_stays() -> None:
    site = cascade(
        fleet={"private": replace(has(PRIVATE, busy=1), left_at=NOW - 5)}, wants={"private": want("private", 1)}
    )
    first = site.decide(demand(jobs(0, running=1)))
    assert (first.changed, first.wants["private"].heard) == (("private",), NOW - 5)
    site.wants = dict(first.wants)
    assert site.decide(demand(jobs(0, running=1))).changed == ()
    site.fleet["private"] = has(PRIVATE, busy=1)  # that VM is forgotten meanwhile
    assert site.decide(demand(jobs(0, running=1))).wants["private"].heard == NOW - 5


@pytest.mark.parametrize("what", ["demand", "cloud"])
def test_a_want_that_stays_because_something_is_not_known_knows_of_nothing_new(what: str) -> None:
    site = cascade(
        fleet={"private": replace(has(PRIVATE, busy=1), left_at=NOW - 5)}, wants={"private": want("private", 2)}
    )
    site.views["private"] = None if what == "cloud" else site.views.get("private")
    seen = Failed(source="pool", at=NOW, reason="away") if what == "demand" else demand(jobs(0, running=1))
    assert site.decide(seen).wants["private"].heard == 0.0


def lost(site: Site, seen: JobsSeen | Failed) -> Decision:
    """Redis was lost, the wants with it; VMs were adopted as their clouds' holders saw them again."""
    fleet = {name: site.fleet.get(name) for name in site.clouds}
    return decide(site.queue, seen, fleet, site.clouds, site.views, {}, NOW, "decision-1")


@pytest.mark.parametrize("what", ["fleet", "views"])
def test_of_a_cloud_that_is_not_known_no_want_is_said_where_none_is_known(what: str) -> None:
    """A want of 0 would drain the busy VM that nobody told of yet."""
    views: dict[str, CloudView | None] = {
        name: CloudView(cloud=name, at=NOW - 1, room=2) for name in ("private", "spot")
    }
    site = cascade(fleet={"private": has(PRIVATE, busy=1), "spot": has(SPOT, busy=1)}, views=views)
    getattr(site, what)["spot"] = None
    decision = lost(site, demand(jobs(0, running=2)))
    assert numbers(decision) == {"private": 1}
    assert decision.changed == ("private",)


def test_while_demand_is_not_known_no_want_is_said_where_none_is_known() -> None:
    site = cascade(fleet={"spot": has(SPOT, busy=1)})
    decision = lost(site, Failed(source="pool", at=NOW, reason="no answer in 20 s"))
    assert (decision.wants, decision.changed) == ({}, ())


def test_vms_that_boot_where_no_want_is_known_are_not_given_up_before_they_were_too_many_for_long() -> None:
    """One of them runs a job already, which no reading shows yet."""
    booting = FleetView(cloud="private", queue="atlas", at=NOW, booting=2)
    room = {"private": CloudView(cloud="private", at=NOW, room=0)}
    site = Site(((PRIVATE,),), fleet={"private": booting}, views=room, release_after_s=15.0)  # type: ignore[arg-type]
    decision = lost(site, demand(jobs(1, running=1)))
    assert numbers(decision) == {"private": 2}
    site.wants = dict(decision.wants)
    assert numbers(site.decide(demand(jobs(1, running=1)), now=NOW + 14)) == {"private": 2}
    assert numbers(site.decide(demand(jobs(1, running=1)), now=NOW + 16)) == {"private": 1}


def test_held_jobs_count_only_where_the_queue_says_so() -> None:
    site = cascade()
    assert numbers(site.decide(demand(jobs(0, held=2))))["private"] == 0


def test_a_breaker_sends_the_jobs_to_the_next_tier_at_once_and_why_says_so() -> None:
    told = "breaker open until 14:03:22 UTC: 3 of 3 VMs with image ami-1 never joined"
    first, second = cloud("private"), cloud("spot")
    site = Site(((first,), (second,)))
    site.views = {"private": CloudView(cloud="private", at=NOW, room=0, closed=told, breaker=told, full=told)}
    decision = site.decide(demand(jobs(4)))
    assert numbers(decision) == {"private": 0, "spot": 4}
    assert f"private: no more: {told}" in decision.why


def test_a_half_open_breaker_gets_one_vm_and_the_others_go_to_the_next_tier() -> None:
    told = "breaker half-open: one VM may try, and has to join first; it opened because NoCapacity: full"
    first, second = cloud("private"), cloud("spot")
    site = Site(((first,), (second,)))
    site.views = {"private": CloudView(cloud="private", at=NOW, room=1, breaker=told, full=told)}
    assert numbers(site.decide(demand(jobs(4)))) == {"private": 1, "spot": 3}


def test_what_was_wanted_since_the_views_were_made_has_taken_its_part_of_the_clouds_room() -> None:
    """The cloud says room for five, and three were ordered since: two more, though the cloud's own limit is far."""
    wide = cloud("wide", 100)
    site = Site(((wide,),), wants={"wide": want("wide", 3, changed=NOW)})
    site.views = {"wide": CloudView(cloud="wide", at=NOW - 1, room=5)}
    assert numbers(site.decide(demand(jobs(50)))) == {"wide": 5}


def test_a_cloud_where_the_waiting_jobs_cannot_run_is_not_called_full() -> None:
    """Large jobs wait for a cloud that is closed; the other one has room, and is of no use to them."""
    small, large = cloud("small", 5), cloud("large", 5, cpus=4)
    site = Site(((small,), (large,)))
    site.views = {"large": CloudView(cloud="large", at=NOW - 1, room=0, closed="its breaker is open", full="")}
    decision = site.decide(demand(jobs(3, cpus=4)))
    assert "3 jobs wait for room (small: none of them can run there; large: its breaker is open)" in decision.why
    assert "full" not in " ".join(decision.why)
