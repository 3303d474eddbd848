"""What a cloud has for a queue, as its scheduler is told."""

from dataclasses import replace

from actors.fleet.drain_and_hold import AGE, POLICY, DrainFor, DrainWhy, by_wish
from actors.fleet.fleet_view import ViewPart, cancellable, view
from actors.fleet.max_life import Life
from actors.fleet.shape import Shape
from actors.fleet.vm import State
from tests.actors.fleet.made import NOW, drained_slot, draining_slot, machine, slot, vm

SEEN = frozenset({"x-0"})
BUSY = machine(slot("Claimed", "Busy"))


def seen(one, its=None, ids=SEEN):  # type: ignore[no-untyped-def]
    return view("private", "atlas", [one], {"x-0": its} if its else {}, ids, NOW)


def test_states_are_counted_and_what_ended_is_not() -> None:
    vms = [vm(state, id=str(state)) for state in State]
    counts = view("private", "atlas", vms, {}, frozenset(), NOW)
    alive = (counts.launching, counts.booting, counts.ready, counts.draining, counts.drained, counts.ending)
    assert alive == (1, 1, 1, 1, 1, 1)
    assert counts.supply == 3


def test_a_given_up_vm_is_no_supply() -> None:
    counts = seen(vm(State.BOOTING, unwanted=NOW))
    assert (counts.supply, counts.unwanted) == (0, 1)


def test_claimed_and_idle_is_busy() -> None:
    assert seen(vm(), machine(slot("Claimed", "Idle"))).busy == 1


def test_a_vm_that_the_reading_misses_is_what_it_was_and_suspect() -> None:
    counts = seen(vm(), BUSY, frozenset())
    assert (counts.busy, counts.suspect) == (1, 1)


def test_free_capacity_is_the_rest_of_a_partitionable_slot_and_all_of_a_free_static_one() -> None:
    rest = slot("Unclaimed", partitionable=True, children=2, free=Shape(cpus=6, memory_mib=100))
    counts = seen(vm(), machine(rest, slot("Claimed", "Busy"), slot(free=Shape(cpus=1, memory_mib=7))))
    assert counts.free == ((6, 100, 0, 0), (1, 7, 0, 0))
    assert counts.claims == 3


def test_a_slot_that_drains_for_whomever_has_nothing_for_new_jobs() -> None:
    rest = slot("Unclaimed", partitionable=True, children=1, draining=True, drain_reason="kernel update")
    assert seen(vm(), machine(rest, drained_slot("x-0.1"))).free == ()


def test_a_drain_may_be_taken_back_only_if_it_is_policys_and_its_last_job_runs() -> None:
    draining = vm(State.DRAINING, drain_for=POLICY, drain_asked=NOW, nonce="x-0.1")
    busy, idle = machine(draining_slot("x-0.1")), machine(slot())
    assert cancellable(draining, busy)
    assert not cancellable(draining, idle)
    assert not cancellable(draining, None)
    assert not cancellable(vm(State.DRAINING, drain_for=by_wish("1"), drain_asked=NOW), busy)
    assert not cancellable(vm(State.DRAINING, drain_for=POLICY), busy)
    assert not cancellable(vm(State.DRAINED, drain_for=POLICY, drain_asked=NOW), busy)
    for last_word in ({"evicted": NOW}, {"notice": "interruption"}, {"unwanted": NOW}):
        assert not cancellable(replace(draining, **last_word), busy)  # type: ignore[arg-type]


def test_what_its_cloud_will_take_has_nothing_for_new_jobs_and_its_jobs_count_no_more() -> None:
    counts = seen(vm(notice="rebalance"), machine(slot(), slot("Claimed", "Busy")))
    assert (counts.free, counts.claims, counts.leaving, counts.ready) == ((), 0, 1, 0)


def test_what_lives_too_short_has_nothing_for_new_jobs_though_its_jobs_count() -> None:
    life = Life(max_s=NOW - 9_000.0 + 1_000.0, min_useful_s=1_200.0)
    mixed = machine(slot(), slot("Claimed", "Busy"))
    counts = view("private", "atlas", [vm()], {"x-0": mixed}, SEEN, NOW, life=life)
    assert (counts.free, counts.claims, counts.busy) == ((), 1, 1)


def test_what_is_kept_from_view_to_view_changes_nothing() -> None:
    parts: dict[str, ViewPart] = {}
    rows = [vm(id="a"), vm(id="b"), vm(State.BOOTING, id="c")]
    machines = {"a": BUSY, "b": machine()}
    for ids in (frozenset("ab"), frozenset("a"), frozenset("ab")):
        for shown in (machines, {"a": BUSY}, machines | {"a": machine(slot("Claimed", "Busy"), slot())}):
            for vms in (rows, rows[1:], [vm(State.ENDED, id="a"), *rows[1:]]):
                assert view("p", "q", vms, shown, ids, NOW, parts) == view("p", "q", vms, shown, ids, NOW)
    kept = dict(parts)
    view("p", "q", vms, shown, ids, NOW, parts)
    assert all(parts[key] is kept[key] for key in kept), "the same rows and ads are not counted anew"


def test_when_an_operator_or_its_age_took_a_vm_out_is_told_and_what_policy_gave_up_is_not() -> None:
    drains = {"x-0": by_wish("w-1"), "x-1": AGE, "x-2": POLICY, "x-3": DrainFor(DrainWhy.SPOT)}
    vms = [
        vm(State.DRAINING, id=key, drain_for=why, drain_begun=NOW - 9 + at)
        for at, (key, why) in enumerate(drains.items())
    ]
    for some, when in ((vms[:1], NOW - 9), (vms[:2], NOW - 8), (vms, NOW - 8), (vms[2:], 0.0)):
        assert view("private", "atlas", some, {}, frozenset(), NOW).left_at == when


def test_a_vm_that_waits_for_its_drain_to_be_allowed_has_not_left() -> None:
    assert seen(vm(drain_for=by_wish("w-1"), drain_begun=NOW)).left_at == 0.0


def test_a_worker_that_says_it_has_a_million_cpus_has_what_was_promised() -> None:
    liar = slot("Unclaimed", partitionable=True, free=Shape(cpus=10**6, memory_mib=10**9, disk_mib=5, gpus=9))
    promised = Shape(cpus=4, memory_mib=8_000, disk_mib=100, gpus=1)
    counts = view("private", "atlas", [vm()], {"x-0": machine(*[liar] * 100)}, SEEN, NOW, promised=promised)
    assert counts.free == ((4, 8_000, 5, 1),)


def test_slots_count_as_far_as_they_are_within_what_was_promised_together() -> None:
    each = slot(free=Shape(cpus=1, memory_mib=1_000))
    promised = Shape(cpus=3, memory_mib=2_500)
    counts = view("private", "atlas", [vm()], {"x-0": machine(*[each] * 5)}, SEEN, NOW, promised=promised)
    assert counts.free == ((1, 1_000, 0, 0), (1, 1_000, 0, 0), (1, 500, 0, 0))


def test_a_worker_that_says_it_has_a_million_children_runs_as_many_jobs_as_it_can() -> None:
    liar = slot("Unclaimed", partitionable=True, children=10**6)
    counts = view("private", "atlas", [vm()], {"x-0": machine(liar)}, SEEN, NOW, promised=Shape(cpus=4))
    assert counts.claims == 4
