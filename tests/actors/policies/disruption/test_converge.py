"""From a want to VMs: who is given up, who is taken back, and what an operator's wish does before that."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from actors.fleet.drain_and_hold import POLICY, VmHold, by_wish
from actors.fleet.vm import State, Vm
from actors.fleet.wish import Wish
from actors.policies.disruption.converge import DECIDED_WITHIN_S, REFUSED_FOR_S, Changes, Scene, follow, withheld
from tests.actors.fleet.made import NOW, draining_slot, machine, slot, vm

IDLE, BUSY = machine(), machine(slot("Claimed", "Busy"))
WISH = Wish(
    id="w-1", verb="drain", selector="cloud", names=("private",), reason="maintenance", by="ada", at=NOW, ends=NOW + 60
)


def scene(want: int | None, machines: dict[str, object] | None = None, **changes: object) -> Scene:
    made = Scene(
        wants={} if want is None else {"atlas": want},
        machines=machines or {},  # type: ignore[arg-type]
        wishes=(),
        idle_since={},
        frozen="",
        now=NOW,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def fleet(*states: State, **changes: object) -> list[Vm]:
    return [vm(state, id=f"x-{n}", instance_id=f"i-{n}", **changes) for n, state in enumerate(states)]


def test_a_want_that_is_met_changes_nothing() -> None:
    changes = follow(fleet(State.READY, State.BOOTING), scene(2))
    assert not changes.rows
    assert not changes.cancel


def test_a_queue_that_never_said_what_it_wants_keeps_what_it_has() -> None:
    assert not follow(fleet(State.READY), scene(None)).rows


def test_an_idle_vm_goes_before_a_busy_one() -> None:
    changes = follow(fleet(State.READY, State.READY), scene(1, {"x-0": BUSY, "x-1": IDLE}))
    assert {key: one.state for key, one in changes.rows.items()} == {"x-1": State.DRAINING}
    assert changes.rows["x-1"].drain_for == POLICY


def test_before_its_least_useful_life_nobody_is_given_up() -> None:
    born = fleet(State.READY, State.BOOTING, born=NOW - 100.0)
    assert not follow(born, scene(0, min_life_s=101.0)).rows
    assert len(follow(born, scene(0, min_life_s=100.0)).rows) == 2


def test_where_hours_are_billed_the_one_whose_hour_is_nearly_over_goes_first() -> None:
    vms = [vm(State.READY, id=f"x-{age}", born=NOW - age) for age in (3_000.0, 3_500.0, 3_700.0)]
    given_up = follow(vms, scene(2, {one.id: IDLE for one in vms}, billed_s=3_600.0)).rows
    assert list(given_up) == ["x-3500.0"]


def test_a_booting_vm_is_marked_and_not_ended() -> None:
    (marked,) = follow(fleet(State.BOOTING), scene(0)).rows.values()
    assert (marked.state, marked.unwanted) == (State.BOOTING, NOW)


def test_on_a_frozen_cloud_nobody_is_given_up() -> None:
    assert not follow(fleet(State.READY), scene(0, frozen="a reading failed")).rows


def test_what_was_given_up_while_it_boots_is_wanted_again_before_anything_else() -> None:
    vms = [*fleet(State.BOOTING, unwanted=NOW - 5), vm(State.DRAINING, id="d", drain_for=POLICY, drain_asked=1.0)]
    changes = follow(vms, scene(1, {"d": machine(draining_slot("n"))}))
    assert changes.rows["x-0"].unwanted == 0.0
    assert not changes.cancel


def test_a_drain_whose_last_job_runs_is_taken_back_when_demand_returns() -> None:
    draining = vm(State.DRAINING, drain_for=POLICY, drain_asked=1.0, nonce="x-0.1")
    assert follow([draining], scene(1, {"x-0": machine(draining_slot("x-0.1"))})).cancel == [draining]
    assert not follow([draining], scene(1, {"x-0": IDLE})).cancel
    assert not follow([draining], scene(0, {"x-0": machine(draining_slot("x-0.1"))})).cancel


def test_a_startd_that_refused_is_left_alone_for_a_while() -> None:
    lately = fleet(State.READY, refused_at=NOW - REFUSED_FOR_S + 1)
    assert not follow(lately, scene(0)).rows
    assert follow(fleet(State.READY, refused_at=NOW - REFUSED_FOR_S), scene(0)).rows


def test_a_held_vm_is_never_given_up_by_policy() -> None:
    assert not follow(fleet(State.READY, hold=VmHold(why="for a look")), scene(0)).rows


def test_an_operators_wish_drains_whatever_policy_wants() -> None:
    (drained,) = follow(fleet(State.READY), scene(1, {"x-0": BUSY}, wishes=(WISH,))).rows.values()
    assert (drained.state, drained.drain_for, drained.reason) == (
        State.DRAINING,
        by_wish("w-1"),
        "drain by ada: maintenance",
    )


def test_a_wish_takes_over_policys_drain_so_that_demand_cannot_take_it_back() -> None:
    draining = vm(State.DRAINING, drain_for=POLICY, drain_asked=1.0, nonce="x-0.1")
    changes = follow([draining], scene(1, {"x-0": machine(draining_slot("x-0.1"))}, wishes=(WISH,)))
    assert changes.rows["x-0"].drain_for == by_wish("w-1")
    assert not changes.cancel


def test_a_kill_comes_before_a_hold_whichever_was_said_first() -> None:
    kill = replace(WISH, id="w-kill", verb="kill", at=NOW)
    for said in (NOW - 10, NOW + 10):
        hold = replace(WISH, id="w-hold", verb="hold", at=said)
        for wishes in ((kill, hold), (hold, kill)):
            (killed,) = follow(fleet(State.READY), scene(1, {"x-0": BUSY}, wishes=wishes)).rows.values()
            assert (killed.state, killed.killed) == (State.ENDING, "w-kill")
    held = fleet(State.READY, hold=VmHold(why="hold by ada: look", wish_id="w-hold"))
    (killed,) = follow(held, scene(1, {"x-0": BUSY}, wishes=(kill,))).rows.values()
    assert (killed.state, killed.killed) == (State.ENDING, "w-kill")


def test_a_held_vm_is_not_drained_by_an_operators_wish_for_its_cloud() -> None:
    hold = replace(WISH, id="w-hold", verb="hold", selector="vm", names=("x-0",))
    changes = follow(fleet(State.READY, State.READY), scene(2, wishes=(hold, WISH)))
    assert {key: one.state for key, one in changes.rows.items()} == {"x-0": State.READY, "x-1": State.DRAINING}


def test_a_hold_ends_with_its_wish() -> None:
    held = fleet(State.READY, hold=VmHold(why="hold by ada: a look", wish_id="w-hold", until=NOW + 60))
    (free,) = follow(held, scene(1)).rows.values()
    assert free.hold is None


def test_a_drain_whose_wish_was_taken_back_is_policys_which_may_take_it_back_too() -> None:
    draining = vm(State.DRAINING, drain_for=by_wish("w-1"), drain_asked=1.0, nonce="x-0.1")
    changes = follow([draining], scene(1, {"x-0": machine(draining_slot("x-0.1"))}))
    assert changes.rows["x-0"].drain_for == POLICY
    assert [one.id for one in changes.cancel] == ["x-0"]


def test_vms_born_after_the_wish_are_not_its() -> None:
    assert not follow(fleet(State.READY, born=NOW + 1), scene(1, wishes=(WISH,))).rows


def test_a_vm_may_be_named_by_its_instance_id() -> None:
    wish = replace(WISH, selector="vm", names=("i-0",))
    assert list(follow(fleet(State.READY, State.READY), scene(2, wishes=(wish,))).rows) == ["x-0"]


STATES = st.lists(st.sampled_from([s for s in State if s is not State.FAILED]), max_size=8)


@given(STATES, st.integers(min_value=0, max_value=8), st.booleans())
def test_following_a_want_leaves_at_least_so_many_or_all_there_are(
    states: list[State], want: int, frozen: bool
) -> None:
    vms = fleet(*states)
    changes = follow(vms, scene(want, frozen="why not" if frozen else ""))
    before = sum(one.supply for one in vms)
    after = sum(changes.rows.get(one.id, one).supply for one in vms)
    assert after == (before if frozen else min(before, want))
    assert all(one.state is not State.ENDING or one.id not in changes.rows for one in vms)


KILL = replace(WISH, verb="kill", selector="all", names=(), replace=False)


def killed(*vms: Vm) -> list[Vm]:
    changes = follow(list(vms), scene(len(vms), wishes=(KILL,)))
    return [changes.rows.get(one.id, one) for one in vms]


def test_killed_vms_are_not_replaced_while_the_wish_lives_if_it_says_so() -> None:
    gone = killed(*fleet(State.READY, State.BOOTING))
    assert [one.state for one in gone] == [State.ENDING] * 2
    assert withheld(gone, (KILL,), {}, NOW)["atlas"] == 2
    assert withheld([replace(one, state=State.ENDED) for one in gone], (KILL,), {}, NOW)["atlas"] == 2
    assert withheld(gone, (replace(KILL, replace=True),), {}, NOW)["atlas"] == 0
    assert withheld(gone, (), {}, NOW)["atlas"] == 0


def test_what_was_given_up_before_it_was_killed_is_no_reason_to_buy_one_less() -> None:
    draining = vm(State.DRAINING, id="x-1", drain_for=POLICY, nonce="n")
    ending = vm(State.ENDING, id="x-2")
    gone = killed(draining, ending)
    assert all(one.killed for one in gone)
    assert withheld(gone, (KILL,), {}, NOW)["atlas"] == 0


OF_ONE = replace(WISH, selector="vm", names=("x-0",))


def drained_by_wish(**heard: float) -> tuple[Vm, Changes]:
    """A busy VM that an operator drains, to be replaced if it has to be, and a drain of policy's beside it."""
    other = vm(State.DRAINING, id="x-9", drain_for=POLICY, drain_asked=1.0, nonce="x-9.1")
    machines = {"x-0": BUSY, "x-9": BUSY}
    changes = follow([*fleet(State.READY), other], scene(1, machines, wishes=(OF_ONE,), heard=heard))
    return changes.rows["x-0"], changes


def test_what_an_operator_drains_is_not_replaced_before_its_queue_decided_without_it() -> None:
    """Its jobs may be the last: a want that counts it still is no reason to buy another, nor to take a drain back."""
    gone, changes = drained_by_wish()
    assert gone.state is State.DRAINING
    assert changes.cancel == []
    assert withheld([gone], (OF_ONE,), {}, NOW) == {"atlas": 1}
    assert withheld([gone], (OF_ONE,), {"atlas": NOW - 1}, NOW) == {"atlas": 1}


def test_once_its_queue_decided_without_it_it_is_replaced_and_a_drain_taken_back_first() -> None:
    gone, changes = drained_by_wish(atlas=NOW)
    assert [one.id for one in changes.cancel] == ["x-9"]
    assert not withheld([gone], (OF_ONE,), {"atlas": NOW}, NOW)


def test_a_host_that_never_says_what_its_wants_know_of_holds_a_replacement_up_for_half_a_minute_only() -> None:
    gone, _ = drained_by_wish()
    assert not withheld([gone], (OF_ONE,), {}, NOW + DECIDED_WITHIN_S)


def test_a_vm_that_is_not_replaced_at_all_is_withheld_once() -> None:
    gone, _ = drained_by_wish()
    assert withheld([gone], (replace(OF_ONE, replace=False),), {}, NOW) == {"atlas": 1}
