"""Which workers eat jobs, judged beside their peers, and what becomes of them."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from actors.fleet.drain_and_hold import HoldBy, VmHold
from actors.fleet.observations import Machine
from actors.fleet.vm import State, Vm
from actors.fleet.wish import Wish
from actors.policies.disruption.black_hole import DRAINED_FOR, BlackHoleRules, black_holes
from actors.policies.disruption.converge import Scene, follow
from tests.actors.fleet.made import NOW, machine, slot, vm

RULES = {"atlas": BlackHoleRules(jobs=20, shorter_than_s=10.0)}
BUSY = slot("Claimed", "Busy")


def eats(jobs: int = 30, longest_s: float = 2.0) -> Machine:
    return machine(BUSY, recent_jobs=jobs, longest_job_s=longest_s)


LONG = machine(BUSY, recent_jobs=3, longest_job_s=900.0)
STEADY = machine(BUSY)
IDLE = machine()


def judged(
    *machines: Machine, busy_s: float = 600.0, held: int = 0, rules: BlackHoleRules = RULES["atlas"]
) -> set[int]:
    """Which of these workers of one queue are black holes, by their number; `held` more are held already."""
    vms = [vm(id=f"x-{number}") for number in range(len(machines))]
    gone = [
        vm(State.DRAINED, id=f"h-{number}", hold=VmHold(why="why", by=HoldBy.BLACK_HOLE, at=1.0))
        for number in range(held)
    ]
    seen = {f"x-{number}": one for number, one in enumerate(machines)}
    since = {vm_id: NOW - busy_s for vm_id, one in seen.items() if one.busy}
    found = black_holes([*vms, *gone], seen, since, {"atlas": rules}, NOW)
    return {int(vm_id.removeprefix("x-")) for vm_id in found}


def test_one_that_ends_job_after_job_within_seconds_beside_one_whose_jobs_take_longer() -> None:
    assert judged(eats(), LONG) == {0}
    assert judged(eats(), STEADY) == {0}


def test_fewer_jobs_or_one_longer_job_are_no_black_hole() -> None:
    assert judged(eats(jobs=19), LONG) == set()
    assert judged(eats(longest_s=10.0), LONG) == set()


def test_a_lone_worker_is_not_judged_nor_one_beside_idle_ones() -> None:
    assert judged(eats()) == set()
    assert judged(eats(), IDLE, IDLE) == set()


def test_where_all_jobs_are_short_nobody_is_a_black_hole() -> None:
    assert judged(eats(), eats(jobs=25), eats(jobs=22)) == set()
    assert (
        judged(eats(), eats(jobs=15), eats(jobs=18), busy_s=120.0) == set()
    )  # busy, with endings enough to fill their time


def test_peers_that_have_been_busy_for_moments_only_prove_nothing() -> None:
    assert judged(eats(), STEADY, busy_s=59.0) == set()


def test_more_suspects_than_witnesses_are_the_jobs_or_the_image() -> None:
    assert judged(eats(), eats(), LONG) == set()
    assert len(judged(eats(), eats(), LONG, LONG)) == 1


def test_a_tenth_of_the_workers_is_held_at_a_time_and_at_least_one_the_hungriest_first() -> None:
    assert judged(eats(40), eats(60), eats(50), *[LONG] * 27) == {0, 1, 2}
    assert judged(eats(40), eats(60), eats(50), *[LONG] * 17) == {1, 2}
    assert judged(eats(40), eats(60), eats(50), *[LONG] * 17, held=1) == {1}
    assert judged(eats(), LONG, held=1) == set()


def test_it_can_be_turned_off() -> None:
    assert judged(eats(), LONG, rules=BlackHoleRules(jobs=0)) == set()


@given(st.lists(st.tuples(st.integers(0, 100), st.floats(0, 50), st.booleans(), st.booleans()), max_size=30))
def test_never_more_than_a_tenth_and_never_one_that_shows_a_longer_job(
    seen: list[tuple[int, float, bool, bool]],
) -> None:
    machines = [
        machine(BUSY if busy else slot(), recent_jobs=jobs, longest_job_s=longest_s if jobs else 0.0)
        for jobs, longest_s, busy, _ in seen
    ]
    found = judged(*machines)
    assert len(found) <= max(1, len(machines) // 10)
    assert all(machines[n].recent_jobs >= 20 and machines[n].longest_job_s < 10 for n in found)
    assert len(found) < len(machines) or not found


def scene(**changes: object) -> Scene:
    made = Scene(wants={"atlas": 1}, machines={}, wishes=(), idle_since={}, frozen="", now=NOW)
    return replace(made, **{"black_holes": {"x-0": "black hole: so"}, **changes})  # type: ignore[arg-type]


def after(before: Vm, **changes: object) -> Vm:
    return follow([before], scene(**changes)).rows.get(before.id, before)


def wish(verb: str, at: float) -> Wish:
    return Wish(id=f"w-{verb}", verb=verb, selector="vm", names=("x-0",), reason="r", by="ada", at=at, ends=NOW + 99)


def test_it_is_drained_and_held_and_its_want_is_served_by_another() -> None:
    found = after(vm())
    assert (found.state, found.drain_for, found.held, found.supply) == (
        State.DRAINING, DRAINED_FOR, "black hole: so", False,
    )  # fmt: skip
    assert found.reason == "black hole: so"


def test_what_an_operator_holds_and_what_a_frozen_cloud_has_stays() -> None:
    assert after(vm(), wishes=(wish("hold", 1.0),)).state is State.READY
    assert after(vm(), frozen="pool/local: no answer").state is State.READY
    assert after(vm(refused_at=NOW - 10)).state is State.READY


def test_it_stays_held_until_it_is_released_after_that() -> None:
    drained = replace(after(vm()), state=State.DRAINED, hold=VmHold(why="why", by=HoldBy.BLACK_HOLE, at=NOW - 50))
    assert after(drained, black_holes={}).held
    assert after(drained, black_holes={}, wishes=(wish("release", NOW - 60),)).held
    assert not after(drained, black_holes={}, wishes=(wish("release", NOW - 40),)).held


def test_an_operators_own_hold_takes_its_place() -> None:
    drained = replace(after(vm()), state=State.DRAINED)
    held = after(drained, black_holes={}, wishes=(wish("hold", NOW),))
    assert held.hold is not None
    assert (held.hold.wish_id, held.hold.at) == ("w-hold", 0.0)
    assert not after(held, black_holes={}).held
