"""What follows for a VM from what was seen, and what never follows from what was not."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from actors.fleet.drain_and_hold import POLICY, POLICY_FINAL, VmHold
from actors.fleet.evidence import Health
from actors.fleet.reconcile import ASK_AGAIN_S, FRESH_S, LATE_S, SETTLE_S, Act, act, advance, ask_again, drain
from actors.fleet.vm import State, Vm
from tests.actors.fleet.made import (
    HEALTHY,
    NOW,
    drained_slot,
    draining_slot,
    instance,
    listed,
    machine,
    slot,
    vm,
    world,
)

BOOTING = vm(State.BOOTING)
DRAINING = vm(State.DRAINING, nonce="x-0.1", drains=1, drain_for=POLICY, drain_asked=NOW - 100, request_id="1")
ENDING = vm(State.ENDING, since=NOW)


def test_a_booting_vm_whose_startd_advertises_is_ready_and_remembers_where() -> None:
    after = advance(BOOTING, world(machine(), of=BOOTING))
    assert (after.state, after.machine, after.joined) == (State.READY, "worker", NOW)


def test_a_vm_that_never_joined_ends_at_its_deadline() -> None:
    after = advance(BOOTING, world(of=BOOTING))
    assert after.state is State.ENDING
    assert "no startd 1000 s after the launch" in after.reason


def test_the_boot_deadline_runs_only_while_the_pool_is_healthy() -> None:
    lately = replace(HEALTHY, since=NOW - 200)
    assert advance(BOOTING, world(of=BOOTING, health=lately)) is BOOTING
    assert advance(BOOTING, world(of=BOOTING, health=Health(source="pool/local"))) is BOOTING


def test_an_unmatched_startd_of_the_queue_may_be_the_one_that_seems_late() -> None:
    assert advance(BOOTING, world(machine(instance_id=""), of=BOOTING)) is BOOTING
    assert advance(BOOTING, world(machine(instance_id="i-other"), of=BOOTING)) is BOOTING


def test_an_unmatched_startd_of_another_queue_excuses_nobody() -> None:
    assert advance(BOOTING, world(machine(instance_id="", queue="cms"), of=BOOTING)).state is State.ENDING


def test_a_vm_that_grants_nothing_since_a_drain_was_taken_back_is_drained_while_idle() -> None:
    """A host of an older version took it back, or one that died: its slot takes no job any more."""
    idle = vm(State.READY, drains=1)
    after = advance(idle, world(machine(max_retirement_s=0), of=idle))
    assert (after.state, after.nonce, after.drain_for) == (State.DRAINING, "x-0.2", POLICY_FINAL)
    assert after.final == NOW


def test_one_that_never_granted_anything_or_is_busy_or_held_stays() -> None:
    for other, slots in (
        (vm(State.READY), ()),
        (vm(State.READY, drains=1, hold=VmHold(why="a look")), ()),
        (vm(State.READY, drains=1), (slot("Claimed", "Busy"),)),
    ):
        assert advance(other, world(machine(*slots, max_retirement_s=0), of=other)) is other


def test_a_vm_that_was_given_up_while_it_booted_is_drained_when_it_joins() -> None:
    given_up = replace(BOOTING, unwanted=NOW - 10)
    after = advance(given_up, world(machine(), of=given_up))
    assert (after.state, after.drain_for) == (State.DRAINING, POLICY)
    assert after.nonce == "x-0.1"
    assert not after.unwanted, "else its drain could not be taken back when demand returns"


def test_drained_needs_every_slot_drained_idle_and_ours() -> None:
    def state(*slots: object) -> State:
        return advance(DRAINING, world(machine(*slots), of=DRAINING)).state  # type: ignore[arg-type]

    ours = drained_slot("x-0.1")
    assert state(ours, ours) is State.DRAINED
    assert state(ours, draining_slot("x-0.1")) is State.DRAINING
    assert state(ours, drained_slot("x-0.1", children=1)) is State.DRAINING
    assert state(replace(ours, activity="Retiring")) is State.DRAINING
    assert state(drained_slot("x-0.10")) is State.DRAINING  # ours is a prefix of it
    assert state(replace(ours, drain_reason="defrag")) is State.DRAINING


def test_a_startd_that_forgot_its_drain_is_asked_again_with_a_nonce_never_used() -> None:
    after = advance(DRAINING, world(machine(slot()), of=DRAINING))
    assert (after.state, after.nonce, after.drain_asked) == (State.DRAINING, "x-0.2", 0.0)
    assert act(after, NOW) is Act.DRAIN


def test_an_ad_from_before_our_request_does_not_say_that_the_drain_was_forgotten() -> None:
    lately = replace(DRAINING, drain_asked=NOW - SETTLE_S)
    assert advance(lately, world(machine(slot()), of=lately)) is lately


def test_a_drain_of_ours_that_the_row_knows_nothing_of_is_gone_on_with() -> None:
    adopted = vm(id="adopted-i-1")
    after = advance(adopted, world(machine(draining_slot("x-0.3")), of=adopted))
    assert (after.state, after.nonce, after.drains) == (State.DRAINING, "x-0.3", 3)
    assert after.drain_for != POLICY
    assert act(after, NOW) is None
    assert advance(adopted, world(machine(drained_slot("x-0.3")), of=adopted)).state is State.DRAINED


def test_a_drain_that_was_taken_back_or_is_not_ours_is_not_gone_on_with() -> None:
    back = vm(drains=1)
    assert advance(back, world(machine(draining_slot("x-0.1")), of=back)) is back
    theirs = machine(slot("Claimed", "Retiring", drain_reason="kernel update", draining=True))
    assert advance(back, world(theirs, of=back)) is back
    half = machine(draining_slot("x-0.2"), slot())
    assert advance(back, world(half, of=back)) is back


def test_the_cloud_saying_terminated_ends_a_vm_in_any_state_and_a_ready_one_is_lost() -> None:
    gone = listed(instance("terminated", reason="Server.SpotInstanceTermination"))
    after = advance(vm(), world(machine(), listing=gone))
    assert (after.state, after.lost) == (
        State.ENDED,
        "the cloud says terminated: Server.SpotInstanceTermination",
    )
    assert advance(ENDING, world(of=ENDING, listing=gone)).lost == ""


def test_stopping_is_not_stopped() -> None:
    ready = vm()
    assert advance(ready, world(machine(), listing=listed(instance("ending")))) is ready


def test_an_instance_missing_from_the_listing_is_no_evidence() -> None:
    for one in (vm(), BOOTING, DRAINING, vm(State.DRAINED), ENDING):
        shown = machine(draining_slot("x-0.1")) if one is DRAINING else machine()
        after = advance(one, world(shown, of=one, listing=listed(), health=Health(source="pool/local")))
        assert after.state is (State.READY if one is BOOTING else one.state)


def test_ended_needs_a_listing_begun_after_the_end_was_accepted() -> None:
    asked = replace(ENDING, end_asked=NOW - 5)
    assert advance(asked, world(of=asked, listing=listed(at=NOW - 6))) is asked
    assert advance(asked, world(of=asked, listing=listed(at=NOW))).state is State.ENDED


def test_an_end_without_effect_is_asked_for_again() -> None:
    assert act(replace(ENDING, end_asked=NOW - 1), NOW) is None
    assert act(replace(ENDING, end_asked=NOW - ASK_AGAIN_S), NOW) is Act.END


def test_an_end_without_effect_is_asked_for_again_within_two_minutes() -> None:
    """A VM that its cloud forgot to end costs money."""
    assert act(replace(ENDING, end_asked=NOW - 120), NOW) is Act.END


def test_an_end_that_waited_too_long_is_verified_again_first() -> None:
    assert act(ENDING, NOW) is Act.END
    assert act(replace(ENDING, since=NOW - FRESH_S - 1), NOW) is Act.END_ASKED


def test_a_vm_that_never_joined_is_looked_for_once_more_before_its_end() -> None:
    assert act(replace(ENDING, joined=0.0), NOW) is Act.END_UNJOINED


def test_a_held_vm_that_drained_is_not_ended() -> None:
    assert act(vm(State.DRAINED), NOW) is Act.VERIFY
    assert act(vm(State.DRAINED, hold=VmHold(why="for a look")), NOW) is None


def test_a_drained_vm_is_not_ended_while_a_cancel_without_an_answer_may_still_be_carried_out() -> None:
    """A campaign had one that came after the last look: the startd took a job, and the VM was ended with it."""
    assert act(vm(State.DRAINED, cancel_unknown=NOW - LATE_S + 1), NOW) is None
    assert act(vm(State.DRAINED, cancel_unknown=NOW - LATE_S), NOW) is Act.VERIFY
    assert ask_again(vm(State.DRAINING, cancel_unknown=NOW), "anew").cancel_unknown == 0


def test_a_restarted_startd_is_reached_at_its_new_address() -> None:
    ready = vm()
    assert advance(ready, world(machine(address="<10.0.0.5:40000>"))).machine_address == "<10.0.0.5:40000>"


def test_a_short_listing_proves_no_end() -> None:
    ending = replace(ENDING, end_asked=NOW - 50)
    missing = world(machine(), of=ending, listing=listed(at=NOW))
    assert advance(ending, missing).state is State.ENDED
    assert advance(ending, replace(missing, listing_short="shows 3 of 9 instances")) is ending


def test_a_held_vm_that_seems_late_is_not_ended() -> None:
    held = replace(BOOTING, hold=VmHold(why="hold by ada: its console"))
    assert advance(held, world(of=held)) is held


def test_a_vm_whose_ads_prove_nothing_has_not_failed_to_join() -> None:
    two = world(machine(), machine(name="liar", address="<10.0.0.9:9618>"), of=BOOTING)
    assert two.matched
    assert two.matched.doubtful
    assert advance(BOOTING, two) is BOOTING


def test_a_held_vm_that_was_given_up_while_it_booted_is_not_drained() -> None:
    held = vm(unwanted=NOW - 10, hold=VmHold(why="hold by ada: a look"))
    assert advance(held, world(machine(), of=held)) is held


def test_a_drain_that_its_startd_shows_is_not_asked_for_again() -> None:
    assert advance(DRAINING, world(machine(draining_slot("x-0.1")), of=DRAINING)) is DRAINING
    assert act(DRAINING, NOW) is None


def test_jobs_are_evicted_once() -> None:
    overdue = replace(DRAINING, evicted=NOW - 10)
    assert act(overdue, NOW) is Act.EVICT
    assert act(replace(overdue, evict_asked=NOW - 5), NOW) is None


def test_nothing_new_leaves_the_same_row() -> None:
    ready = vm()
    assert advance(ready, world(machine(), listing=listed(instance()))) is ready


# --- whatever is seen

SLOTS = st.lists(
    st.sampled_from(
        [slot(), slot("Claimed", "Busy"), slot("Claimed", "Idle"), draining_slot("x-0.1"), drained_slot("x-0.1"),
         drained_slot("x-0.1", children=2), drained_slot("someone else's")]
    ),
    max_size=3,
)  # fmt: skip
MACHINES = st.lists(st.builds(lambda slots: machine(*slots), SLOTS), max_size=2)
VMS = st.sampled_from([BOOTING, vm(), DRAINING, vm(State.DRAINED, nonce="x-0.1"), ENDING])
HEALTHS = st.sampled_from([HEALTHY, Health(source="pool/local"), replace(HEALTHY, since=NOW - 10)])
LISTINGS = st.sampled_from([None, listed(), listed(instance()), listed(instance("ending"))])


@given(VMS, MACHINES, HEALTHS, LISTINGS)
def test_no_joined_vm_gets_to_its_end_by_what_is_not_seen(one, machines, health, listing) -> None:  # type: ignore[no-untyped-def]
    after = advance(one, world(*machines, of=one, health=health, listing=listing))
    if one.joined:
        assert after.state is not State.ENDED
        assert (after.state is State.ENDING) == (one.state is State.ENDING)
    if after.state is State.DRAINED and one.state is not State.DRAINED:
        assert all(each.drained and each.drain_reason == "apf x-0.1" for each in machines[0].slots)


@given(VMS, MACHINES, HEALTHS, LISTINGS)
def test_the_same_world_says_nothing_new_the_second_time(one, machines, health, listing) -> None:  # type: ignore[no-untyped-def]
    seen = world(*machines, of=one, health=health, listing=listing)
    after = advance(one, seen)
    again = advance(after, seen)
    assert again == after or (one.state is State.BOOTING and after.state is State.READY)


@given(st.integers(min_value=1, max_value=30))
def test_no_nonce_is_ever_used_twice(times: int) -> None:
    one: Vm = drain(vm(), NOW, POLICY, "test")
    nonces = [one.nonce]
    for _ in range(times):
        one = ask_again(one, "test")
        nonces.append(one.nonce)
    assert len(set(nonces)) == len(nonces)
